/* libfaketime translates the deadlines of pthread_cond_timedwait and does not know of cnd_timedwait, by which librdkafka
 * waits: a deadline by the jumped clock would be held against the real one, and a wait of a second would take an hour, or
 * no time. In glibc both wait on the same objects, so this one calls the other. */
#include <errno.h>
#include <pthread.h>
#include <threads.h>

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *deadline) {
    switch (pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, deadline)) {
    case 0:
        return thrd_success;
    case ETIMEDOUT:
        return thrd_timedout;
    default:
        return thrd_error;
    }
}
