// The client certificate and key.
extension EngineTuning.TLS {
    /// A client certificate, its intermediate certificates, and its private key.
    public struct Identity: Sendable, Hashable {
        /// The source of the parts and their format.
        package enum Form: Sendable, Hashable {
            case files(certificate: ExactText, key: ExactText)
            case pem(certificate: Bytes, key: Bytes)
            case pkcs12File(ExactText)
            case pkcs12(Bytes)
            case source(TLSSource)
        }

        package let form: Form
        /// The password of the private key; `nil` for a key without encryption.
        package var password: String? { exactPassword?.text }
        private let exactPassword: ExactText?

        /// An identity in PEM files: the certificate with its intermediates, and the key; both may
        /// be one file.
        public init(certificateFile: String, keyFile: String, password: String? = nil) {
            form = .files(certificate: ExactText(certificateFile), key: ExactText(keyFile))
            exactPassword = password.map { ExactText($0) }
        }

        /// An identity in PEM texts: the certificate with its intermediates, and the key; both may
        /// be one text.
        public init(certificate: Bytes, key: Bytes, password: String? = nil) {
            form = .pem(certificate: certificate, key: key)
            exactPassword = password.map { ExactText($0) }
        }

        /// An identity in a PKCS#12 file (`.p12`, `.pfx`).
        public init(pkcs12File: String, password: String? = nil) {
            form = .pkcs12File(ExactText(pkcs12File))
            exactPassword = password.map { ExactText($0) }
        }

        /// An identity in PKCS#12 bytes.
        public init(pkcs12: Bytes, password: String? = nil) {
            form = .pkcs12(pkcs12)
            exactPassword = password.map { ExactText($0) }
        }

        /// An identity from a source, which returns certificate and key as one PEM text, or
        /// PKCS#12.
        public init(_ source: TLSSource, password: String? = nil) {
            form = .source(source)
            exactPassword = password.map { ExactText($0) }
        }
    }
}

extension EngineTuning.TLS.Identity: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The certificate's path, if it is in a file; never a key or a password.
    public var description: String {
        switch form {
        case .files(let certificate, _): "identity in \(certificate)"
        case .pkcs12File(let path): "identity in \(path)"
        case .pem, .pkcs12, .source: "identity"
        }
    }
    /// The same as `description`.
    public var debugDescription: String { description }
    /// A mirror without children, so that `dump` never shows a key.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
