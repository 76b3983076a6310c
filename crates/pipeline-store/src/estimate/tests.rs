use super::*;

/// 10 services of 100 providers each, in batches of 10, stored one a second from 2 s on, when all are planned.
fn steady(at_s: i64) -> Sight {
    let batches = (at_s - 2).max(0);
    let recent = batches.min(60);
    Sight {
        elapsed_ms: at_s * 1_000,
        discovered_ms: Some(1_000),
        services: 10,
        planned_services: 10,
        planned_ms: Some(2_000),
        providers: 1_000,
        stored: batches * 10,
        stored_ms: (batches > 0).then_some(at_s * 1_000),
        recent: Recent { batches: recent, providers: recent * 10, first_ms: (at_s - recent + 1) * 1_000 },
        skew: 1.0,
    }
}

const BEFORE: Earlier = Earlier {
    services: 10,
    discovered_ms: 1_000,
    planned_ms: 3_000,
    providers: 1_000,
    stored_ms: 51_000,
    took_ms: 52_000,
};

#[test]
fn nothing_is_known_of_a_first_run_before_it_has_stored_something() {
    assert_eq!(estimate(&Sight::default(), &[]), Estimate::default());
    let told = estimate(&steady(3), &[]);
    assert_eq!((told.root, told.providers), (Some(Span::default()), Some(Span::default())));
    assert_eq!((told.bundles, told.activator), (None, None), "one batch makes no rate");
    assert!(estimate(&steady(4), &[]).activator.is_some());
}

#[test]
fn a_steady_run_is_judged_by_its_own_rate_in_a_range_that_narrows() {
    let mut width = i64::MAX;
    for at in [10, 20, 40, 80] {
        let span = estimate(&steady(at), &[BEFORE]).activator.unwrap();
        // 100 batches, one a second from 3 s on, and the second after the last batch that the earlier run took.
        let truth = (102 - at) * 1_000 + 1_000;
        assert!((span.earliest_ms..=span.latest_ms).contains(&truth), "{truth} at {at} s: {span:?}");
        assert!((span.expected_ms - truth).abs() < 3_000, "{truth} at {at} s: {span:?}");
        assert!(span.latest_ms - span.earliest_ms < width, "{span:?} at {at} s");
        width = span.latest_ms - span.earliest_ms;
    }
}

#[test]
fn before_a_run_has_figures_of_its_own_earlier_runs_say_how_long_it_takes() {
    let begun = Sight { elapsed_ms: 500, ..Sight::default() };
    let told = estimate(&begun, &[BEFORE]);
    let expected = [told.root, told.providers, told.bundles, told.activator].map(|span| span.unwrap().expected_ms);
    assert_eq!(expected, [500, 2_500, 50_500, 51_500]);
    let planned = estimate(&steady(2), &[BEFORE]).activator.unwrap();
    assert_eq!(planned.expected_ms, 51_000, "as fast as the earlier run");
}

#[test]
fn the_plan_of_some_services_tells_how_much_the_others_will_have() {
    let half = Sight { planned_services: 5, providers: 500, ..steady(20) };
    let whole = estimate(&steady(20), &[]).bundles.unwrap();
    let guessed = estimate(&half, &[]).bundles.unwrap();
    assert_eq!(guessed.expected_ms, whole.expected_ms);
    assert!(guessed.latest_ms > whole.latest_ms, "a plan that is not final leaves more doubt");
}

#[test]
fn a_partition_that_is_fuller_than_the_others_may_end_later() {
    let skewed = Sight { skew: 2.5, ..steady(20) };
    let (even, skewed) = (estimate(&steady(20), &[]).activator.unwrap(), estimate(&skewed, &[]).activator.unwrap());
    assert_eq!(skewed.expected_ms, even.expected_ms);
    assert_eq!(skewed.latest_ms, even.latest_ms * 5 / 2);
}

#[test]
fn batches_that_nobody_has_to_read_are_no_work() {
    let unchanged = Sight { providers: 0, stored: 0, stored_ms: None, recent: Recent::default(), ..steady(2) };
    let told = estimate(&unchanged, &[]);
    assert_eq!(told.bundles, Some(Span::default()));
    assert_eq!(told.activator.unwrap().expected_ms, 500);
}

#[test]
fn the_error_at_a_moment_is_that_of_the_last_word_before_it() {
    let noted = |at_ms, total_ms| Noted { at_ms, earliest_ms: total_ms, expected_ms: total_ms, latest_ms: total_ms };
    let noted = [noted(2_000, 5_000), noted(4_000, 12_000), noted(8_000, 10_100)];
    assert_eq!(misses(&noted, 10_000), [None, Some(0.2), Some(0.01)]);
    assert_eq!(misses(&noted, 0), [None; 3]);
}
