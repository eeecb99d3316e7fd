// What TLS trusts, presents and speaks.
extension EngineTuning {
    /// What TLS trusts, presents and speaks.
    ///
    /// A part of the route: a difference means another connection.
    public struct TLS: Sendable, Hashable {
        /// Who may vouch for a server.
        public enum Roots: Sendable, Hashable {
            /// The system's certificate store.
            case system
            /// The certificates of a PEM file, and no others.
            case file(String)
            /// The certificates in a PEM text, and no others.
            case pem(String)
        }

        /// A protocol version.
        public enum Version: Int, Sendable, Hashable, Comparable {
            case tls12 = 12
            case tls13 = 13

            public static func < (left: Version, right: Version) -> Bool {
                left.rawValue < right.rawValue
            }
        }

        /// A client certificate with its key: paths of PEM files.
        public struct Identity: Sendable, Hashable {
            public var certificateFile: String
            public var keyFile: String

            public init(certificateFile: String, keyFile: String) {
                self.certificateFile = certificateFile
                self.keyFile = keyFile
            }
        }

        public var roots: Roots = .system
        public var identity: Identity?
        public var minimumVersion: Version = .tls12
        public var maximumVersion: Version = .tls13
        /// The name sent as SNI and verified, when it is not the origin's host.
        public var serverName: String?
        /// Accepts any certificate.
        ///
        /// Shown in every snapshot; never a default.
        public var insecureSkipVerify = false
        /// Whether sessions are resumed.
        ///
        /// Default true.
        public var resumption = true
        /// Sessions kept per route.
        ///
        /// Default 2.
        public var maxSessionsPerRoute = 2

        public init() {}
    }
}
