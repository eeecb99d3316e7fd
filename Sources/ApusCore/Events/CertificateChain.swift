import Synchronization

/// The facts of a peer's certificates, read when they are first asked for: most connections never
/// ask, and reading them costs as much as a resumed handshake.
package final class CertificateChain: Sendable {
    /// A list that is shared by all that have asked.
    private final class Facts: Sendable {
        let list: [CertificateFacts]

        init(_ list: [CertificateFacts]) {
            self.list = list
        }
    }

    private let read: @Sendable () -> [CertificateFacts]
    private let known = AtomicLazyReference<Facts>()

    /// Creates a chain whose facts are returned by `read`, which several threads may call at once.
    package init(_ read: @escaping @Sendable () -> [CertificateFacts]) {
        self.read = read
    }

    /// The peer's own certificate first.
    package var facts: [CertificateFacts] {
        if let known = known.load() { return known.list }
        return known.storeIfNil(Facts(read())).list
    }
}

extension CertificateChain: Hashable {
    package static func == (one: CertificateChain, other: CertificateChain) -> Bool {
        one === other || one.facts == other.facts
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(facts)
    }
}
