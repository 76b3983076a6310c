//! What the source holds, as small as it can be: a few services and providers, each of which can be there, broken,
//! written twice, or gone.

/// Services that a source can have.
pub const SERVICES: usize = 3;
/// Providers that a service can have.
pub const PROVIDERS: usize = 3;

/// A document of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    Absent,
    /// A sound document; the number is what it says.
    Sound(u8),
    /// It breaks a rule.
    Broken,
    /// Two documents have this id.
    Twice,
}

/// What a worker found below one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    Complete(u8),
    Rejected,
    Vanished,
}

/// The services of a source, or of a discovery.
pub type ServiceDocuments = [Document; SERVICES];
/// The providers of one service.
pub type ProviderDocuments = [Document; PROVIDERS];
/// What was found below the providers of one service.
pub type Reads = [Read; PROVIDERS];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    pub services: ServiceDocuments,
    pub providers: [ProviderDocuments; SERVICES],
    pub contents: [Reads; SERVICES],
}

/// Bundles and subscription fields of each content; the last two differ although they count the same.
const SHAPES: [(u8, u8); CONTENTS as usize] = [(0, 0), (1, 2), (2, 3), (2, 3)];
/// Contents that a provider can have.
pub const CONTENTS: u8 = 4;

/// How many rows a content has.
pub fn shape(content: u8) -> Sums {
    let (bundles, fields) = SHAPES[usize::from(content)];
    Sums { bundles, fields }
}

/// Of some providers the source can tell that they have not changed; the others are always read.
pub fn is_tagged(provider: usize) -> bool {
    provider.is_multiple_of(2)
}

/// Rows of bundles and of subscription fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sums {
    pub bundles: u8,
    pub fields: u8,
}

// === impl Source ===

impl Source {
    /// A sound source: the first `services`, each with its first `providers`.
    pub fn sound(services: usize, providers: usize) -> Self {
        let mut source = Self {
            services: [Document::Absent; SERVICES],
            providers: [[Document::Absent; PROVIDERS]; SERVICES],
            contents: [[Read::Complete(1); PROVIDERS]; SERVICES],
        };
        for service in 0..services {
            source.services[service] = Document::Sound(0);
            source.providers[service][..providers].fill(Document::Sound(0));
        }
        source
    }

    /// What a worker that looks now finds below a provider.
    pub fn read(&self, service: usize) -> Reads {
        let mut reads = self.contents[service];
        for (read, provider) in reads.iter_mut().zip(self.providers[service]) {
            if provider == Document::Absent {
                *read = Read::Vanished;
            }
        }
        reads
    }

    /// One change somewhere, chosen by two numbers.
    pub fn change(&mut self, place: u8, what: u8) {
        let service = usize::from(place) % SERVICES;
        let provider = usize::from(place) / SERVICES % PROVIDERS;
        let version = what / 16 % CONTENTS;
        match what % 16 {
            0 => self.services[service] = Document::Absent,
            1 => self.services[service] = Document::Broken,
            2 => self.services[service] = Document::Twice,
            3..6 => self.services[service] = Document::Sound(version),
            6 => self.providers[service][provider] = Document::Absent,
            7 => self.providers[service][provider] = Document::Broken,
            8 => self.providers[service][provider] = Document::Twice,
            9..12 => self.providers[service][provider] = Document::Sound(version),
            12 => self.contents[service][provider] = Read::Rejected,
            _ => self.contents[service][provider] = Read::Complete(version),
        }
    }
}

// === impl Sums ===

impl Sums {
    pub const NONE: Self = Self { bundles: 0, fields: 0 };

    /// What is in these rows and not in the others, which are the first of the same or more.
    pub fn without(self, other: Self) -> Self {
        Self { bundles: self.bundles.saturating_sub(other.bundles), fields: self.fields.saturating_sub(other.fields) }
    }

    pub fn add(&mut self, other: Self) {
        self.bundles += other.bundles;
        self.fields += other.fields;
    }
}
