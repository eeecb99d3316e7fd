import ApusCore
import CApusOpenSSL

/// A session that a server offered for a shorter handshake.
///
/// It records the settings under which it was verified; a connection with other settings does not
/// use it.
package final class TLSSession: Sendable {
    // Invariant: owns one reference, released in `deinit`. OpenSSL counts references atomically,
    // and never changes a session except to forbid its resumption.
    nonisolated(unsafe) let pointer: OpaquePointer
    private let settings: EngineTuning.TLS
    private let alpn: [String]
    private let material: String
    private let serverName: String
    /// The certificates of the handshake that verified the peer.
    let chain: CertificateChain

    /// Takes ownership of one reference to `session`.
    init(
        adopting session: OpaquePointer, context: TLSContext, serverName: String,
        chain: CertificateChain
    ) {
        pointer = session
        settings = context.settings
        alpn = context.alpn
        material = context.material
        self.serverName = serverName
        self.chain = chain
    }

    deinit {
        SSL_SESSION_free(pointer)
    }

    /// Whether it may be used for one connection only, so that observers cannot link connections
    /// (RFC 8446, appendix C.4).
    package var isSingleUse: Bool { SSL_SESSION_get_protocol_version(pointer) == TLS1_3_VERSION }

    /// Whether a connection with these settings to this name may resume it.
    ///
    /// A resumed handshake has no certificate, so the verdict of the first handshake must apply
    /// here too.
    func isUsable(context: TLSContext, serverName: String) -> Bool {
        self.serverName == serverName && isMade(under: context)
    }

    /// Whether it was made under the same settings, with the same bytes of roots and identity.
    package func isMade(under context: TLSContext) -> Bool {
        alpn == context.alpn && material == context.material && settings == context.settings
    }
}
