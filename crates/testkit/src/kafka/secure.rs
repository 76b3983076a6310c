//! A broker with a listener for each way to be let in, and to be refused.
//!
//! Rights are on: who comes in by the plain listener may do everything, everybody else what a test has granted.

use std::{fs, path::PathBuf, process::Command};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::node::{PROPERTIES, format};
use crate::{
    janitor, ports,
    server::{DATA, Running, START_DEADLINE, start_with_retry},
    stack,
    tls::{Authority, Identity},
};

/// A way into the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Neither TLS nor a login.
    Plain,
    /// TLS with a good certificate.
    Tls,
    /// TLS with a certificate for another name.
    WrongName,
    /// TLS with a certificate that has expired.
    Expired,
    /// TLS that asks for a client certificate.
    Mutual,
    /// SASL over TLS, by PLAIN, SCRAM and unsecured tokens.
    Sasl,
}

/// The running broker.
pub struct SecureKafka {
    folder: PathBuf,
    ports: Vec<u16>,
    authority: Authority,
    running: Running,
}

// === impl Listener ===

impl Listener {
    const ALL: [Self; 6] = [Self::Plain, Self::Tls, Self::WrongName, Self::Expired, Self::Mutual, Self::Sasl];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Tls => "TLS",
            Self::WrongName => "WRONGNAME",
            Self::Expired => "EXPIRED",
            Self::Mutual => "MUTUAL",
            Self::Sasl => "LOGIN",
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Self::Plain => "PLAINTEXT",
            Self::Sasl => "SASL_SSL",
            Self::Tls | Self::WrongName | Self::Expired | Self::Mutual => "SSL",
        }
    }

    fn certificate(self, authority: &Authority) -> Option<Identity> {
        match self {
            Self::Plain => None,
            Self::WrongName => Some(authority.server("elsewhere.example", false)),
            Self::Expired => Some(authority.server("localhost", true)),
            Self::Tls | Self::Mutual | Self::Sasl => Some(authority.server("localhost", false)),
        }
    }
}

// === impl SecureKafka ===

impl SecureKafka {
    /// Starts it with these users; the password of each is its name with `-secret` behind it.
    pub fn start(users: &[&str]) -> Self {
        start_with_retry(|| Self::try_start(users))
    }

    /// Address of a listener, `localhost:port`.
    pub fn bootstrap(&self, listener: Listener) -> String {
        let at = Listener::ALL.iter().position(|known| *known == listener).expect("a known listener");
        format!("localhost:{}", self.ports.get(at).expect("a port for each listener"))
    }

    /// Where the broker keeps its messages.
    pub fn data(&self) -> PathBuf {
        self.folder.join(DATA)
    }

    /// The authority that signed the broker's certificates.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Writes a file for clients; gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }

    /// Gives rights, by Kafka's own tool: `kafka-acls --add` with these arguments.
    pub fn grant(&self, arguments: &[&str]) {
        let mut command: Command = stack::java(&janitor::new_folder("tool"));
        command.args(["-Xmx64m", "-Dlog.level=WARN", "-cp"]).arg(stack::class_path());
        command.args([
            "org.apache.kafka.tools.AclCommand",
            "--bootstrap-server",
            &self.bootstrap(Listener::Plain),
            "--add",
        ]);
        let output = command.args(arguments).output().expect("java starts");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "kafka-acls failed\n{out}\n{err}");
    }

    fn try_start(users: &[&str]) -> Result<Self, String> {
        let folder = janitor::new_folder("secure-kafka");
        let authority = Authority::default();
        let ports: Vec<u16> = Listener::ALL.iter().map(|_| ports::free()).collect();
        let properties = folder.join("server.properties");
        fs::write(&properties, properties_of(&folder, &ports, &authority, users)?)
            .map_err(|error| error.to_string())?;
        let scram = users.iter().flat_map(|user| {
            ["SCRAM-SHA-256", "SCRAM-SHA-512"].map(|mechanism| {
                ["--add-scram".to_owned(), format!("{mechanism}=[name={user},password={user}-secret]")]
            })
        });
        format(&folder, &properties, &scram.flatten().collect::<Vec<_>>())?;
        let mut command = stack::java(&folder);
        command.args(["-Xms64m", "-Xmx192m", "-cp"]).arg(stack::class_path()).arg("kafka.Kafka").arg(&properties);
        let mut running = Running::start("kafka", &folder, &mut command);
        let log = folder.join("kafka.out");
        running.wait_ready(START_DEADLINE, || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains("Kafka Server started"))
        })?;
        Ok(Self { folder, ports, authority, running })
    }

    /// The broker's process id.
    pub fn process_id(&self) -> u32 {
        self.running.id()
    }
}

/// A token that this broker takes: its `alg` is none, and nothing is signed. `end` is in seconds since 1970.
pub fn unsecured_token(user: &str, end: u64) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&format!(r#"{{"sub":"{user}","iat":1,"exp":{end}}}"#)))
}

fn properties_of(
    folder: &std::path::Path,
    ports: &[u16],
    authority: &Authority,
    users: &[&str],
) -> Result<String, String> {
    let controller = ports::free();
    let all = || Listener::ALL.into_iter().zip(ports);
    let listeners: Vec<String> = all().map(|(it, port)| format!("{}://127.0.0.1:{port}", it.name())).collect();
    let advertised: Vec<String> = all().map(|(it, port)| format!("{}://localhost:{port}", it.name())).collect();
    let map: Vec<String> = all().map(|(it, _)| format!("{}:{}", it.name(), it.protocol())).collect();
    let mut text = PROPERTIES
        .replace("@NODE@", "1")
        .replace("@DATA@", &folder.join(DATA).display().to_string())
        .replace("@REPLICAS@", "1")
        .replace("@IN_SYNC@", "1")
        .lines()
        .filter(|line| !line.starts_with("listener.security") && !line.starts_with("inter.broker.listener"))
        .collect::<Vec<_>>()
        .join("\n");
    text += &format!(
        "\nprocess.roles=broker,controller\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners={},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners={}\n\
         listener.security.protocol.map={},CONTROLLER:PLAINTEXT\ninter.broker.listener.name=PLAIN\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\nallow.everyone.if.no.acl.found=false\n",
        listeners.join(","),
        advertised.join(","),
        map.join(","),
    );
    let trusted = folder.join("authority.pem");
    fs::write(&trusted, authority.certificate()).map_err(|error| error.to_string())?;
    for listener in Listener::ALL {
        let Some(identity) = listener.certificate(authority) else { continue };
        let store = folder.join(format!("{}.pem", listener.name()));
        fs::write(&store, format!("{}{}", identity.key, identity.certificate)).map_err(|error| error.to_string())?;
        let prefix = format!("listener.name.{}", listener.name().to_lowercase());
        text += &format!(
            "{prefix}.ssl.keystore.type=PEM\n{prefix}.ssl.keystore.location={}\n\
             {prefix}.ssl.truststore.type=PEM\n{prefix}.ssl.truststore.location={}\n",
            store.display(),
            trusted.display(),
        );
    }
    let known: String = users.iter().map(|user| format!(" user_{user}=\"{user}-secret\"")).collect();
    let modules = "org.apache.kafka.common.security";
    text += &format!(
        "listener.name.mutual.ssl.client.auth=required\n\
         listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
         listener.name.login.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required{known};\n\
         listener.name.login.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;\n\
         listener.name.login.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;\n\
         listener.name.login.oauthbearer.sasl.jaas.config={modules}.oauthbearer.OAuthBearerLoginModule required;\n"
    );
    Ok(text)
}
