import Yams

/// What a gateway is made of, as its YAML file says.
package struct GatewayConfiguration: Sendable, Decodable {
    /// The address to listen on; port 0 lets the system choose.
    package var host = "127.0.0.1"
    package var port = 8080
    /// How long streams may continue after a shutdown began.
    package var drain = Duration.seconds(30)
    /// The threads that carry connections to upstreams.
    package var eventLoops = 1
    /// The proxy of credentials that name none, as in "socks5h://user:secret@host:1080"; none by
    /// default.
    package var proxy = ""
    package var upstreams: [Upstream] = []

    package init() {}

    /// An origin, the paths that lead to it, and its credentials.
    package struct Upstream: Sendable, Decodable {
        package var name: String
        package var origin: String
        /// The paths that this upstream serves, each with everything below it; "/" is all.
        package var paths = ["/"]
        /// The field that carries the secret, and what comes before it.
        package var credentialField = "Authorization"
        package var credentialPrefix = "Bearer "
        /// The time from the request to the first byte of the answer.
        package var firstByte: Duration? = .seconds(60)
        /// The time between two pieces of the answer.
        package var betweenBytes: Duration? = .seconds(120)
        /// Bodies up to this length can be sent again with another credential.
        package var replayBytes = 1 << 20
        /// The most credentials that one request tries.
        package var tries = 3
        /// Whether the upstream gets an engine of its own that never offers HTTP/2.
        package var http1Only = false
        /// A path that lists the models, read once at the start; none by default.
        package var models: String?
        package var credentials: [Credential] = []

        package init(name: String, origin: String) {
            self.name = name
            self.origin = origin
        }
    }

    /// A secret and how its requests leave.
    package struct Credential: Sendable, Decodable {
        package var name: String
        package var secret: String
        /// "direct", or a proxy's URL; `nil` is the gateway's own proxy.
        package var proxy: String?
        /// Credentials share connections only within a scope; `nil` shares with all that name none.
        package var scope: String?
        /// The most requests at a time; `nil` is no limit.
        package var maxRequests: Int?

        package init(name: String, secret: String, proxy: String? = nil, scope: String? = nil) {
            self.name = name
            self.secret = secret
            self.proxy = proxy
            self.scope = scope
        }
    }

    /// Reads a YAML text.
    ///
    /// - Throws: `DecodingError` naming the key at fault, or what Yams says of the syntax.
    package init(yaml text: String) throws {
        self = try YAMLDecoder().decode(GatewayConfiguration.self, from: text)
    }
}
