import GatewayFixtures

/// The configuration of the demonstration: twelve credentials over three proxies, of which two
/// credentials are refused and one proxy is dead; and an upstream with short limits.
struct DemonstrationConfiguration {
    let origin: String
    /// The last one is dead.
    let proxies: [String]
    var drainSeconds = 1

    /// Which secret and which proxy each credential has; `nil` is a direct connection.
    static let credentials: [(secret: String, proxy: Int?)] = (1...12).map { number in
        let secret =
            switch number {
            case 3: DemonstrationOrigin.invalidSecret
            case 8: DemonstrationOrigin.exhaustedSecret
            default: "secret-\(number)"
            }
        let proxy: Int? =
            switch number {
            case 1...4: 0
            case 5...8: 1
            case 9...10: 2
            default: nil
            }
        return (secret, proxy)
    }

    var yaml: String {
        let credentials = Self.credentials.enumerated().map { index, credential in
            """
                  - name: key-\(index + 1)
                    secret: \(credential.secret)
                    scope: tenant-\(index % 3)
                    proxy: \(credential.proxy.map { proxies[$0] } ?? "direct")
            """
        }
        return """
            port: 0
            drain_seconds: \(drainSeconds)
            upstreams:
              - name: models
                origin: \(origin)
                models: /v1/models
                tries: 6
                credentials:
            \(credentials.joined(separator: "\n"))
              - name: strict
                origin: \(origin)
                paths: [/strict]
                first_byte_seconds: 0.3
                between_bytes_seconds: 0.3
                credentials:
                  - name: strict-key
                    secret: secret
              - name: uploads
                origin: \(origin)
                paths: [/upload]
                credentials:
                  - name: upload-key
                    secret: secret
              - name: exhausted
                origin: \(origin)
                paths: [/exhausted]
                credentials:
                  - name: exhausted-key
                    secret: \(DemonstrationOrigin.exhaustedSecret)

            """
    }
}
