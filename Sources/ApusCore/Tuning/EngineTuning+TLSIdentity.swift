/// Who an engine is to a server that asks, and the objects that its TLS settings may hold.
extension EngineTuning.TLS {
    /// A client certificate, what leads from it to its root, and its private key.
    public struct Identity: Sendable, Hashable {
        /// Where the parts are, and in which form.
        package enum Form: Sendable, Hashable {
            case files(certificate: ExactText, key: ExactText)
            case pem(certificate: Bytes, key: Bytes)
            case pkcs12File(ExactText)
            case pkcs12(Bytes)
            case source(TLSSource)
        }

        package let form: Form
        /// What the private key is locked with; `nil` for one that is not.
        package var password: String? { exactPassword?.text }
        private let exactPassword: ExactText?

        /// PEM files: the certificate with what leads to its root, and the key; both may be one
        /// file.
        public init(certificateFile: String, keyFile: String, password: String? = nil) {
            form = .files(certificate: ExactText(certificateFile), key: ExactText(keyFile))
            exactPassword = password.map { ExactText($0) }
        }

        /// PEM text at hand; both may be the same text.
        public init(certificate: Bytes, key: Bytes, password: String? = nil) {
            form = .pem(certificate: certificate, key: key)
            exactPassword = password.map { ExactText($0) }
        }

        /// A PKCS#12 file (`.p12`, `.pfx`).
        public init(pkcs12File: String, password: String? = nil) {
            form = .pkcs12File(ExactText(pkcs12File))
            exactPassword = password.map { ExactText($0) }
        }

        /// PKCS#12 bytes at hand.
        public init(pkcs12: Bytes, password: String? = nil) {
            form = .pkcs12(pkcs12)
            exactPassword = password.map { ExactText($0) }
        }

        /// What the source gives: certificate and key as one PEM text, or PKCS#12.
        public init(_ source: TLSSource, password: String? = nil) {
            form = .source(source)
            exactPassword = password.map { ExactText($0) }
        }
    }
}

extension EngineTuning.TLS.Identity: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// Where the certificate is, if in a file; never a key or a password.
    public var description: String {
        switch form {
        case .files(let certificate, _): "identity in \(certificate)"
        case .pkcs12File(let path): "identity in \(path)"
        case .pem, .pkcs12, .source: "identity"
        }
    }
    public var debugDescription: String { description }
    /// Nothing, so that `dump` of whatever holds an identity does not show its key.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
