import ApusCore
import Testing

/// Origins: their parts, equality and texts.
@Suite struct OriginTests {
    // MARK: Parts

    @Test(arguments: [-1, 0, 65536, .max, .min])
    func aPortOutOfRangeIsRefused(port: Int) {
        let field = refusedField { _ = try Origin(scheme: .http, host: "h", port: port) }
        #expect(field == "port")
    }

    @Test func originsAreEqualOnceNormalised() throws {
        let plain = try Origin(scheme: .https, host: "example.com")
        #expect(try Origin(scheme: .https, authority: "Example.COM:443") == plain)
        #expect(try Origin(scheme: .https, authority: "example.com.") != plain)
        #expect(try Origin(scheme: .https, host: "[::1]") == Origin(scheme: .https, host: "::1"))
        #expect(try Origin(scheme: .http, host: "example.com", port: 443) != plain)
        #expect(try Origin(scheme: .https, host: "example.com", port: 80) != plain)
        #expect(try Origin(scheme: .https, host: "www.example.com") != plain)
    }

    @Test func originsDifferInTheirZone() throws {
        let first = try Origin(scheme: .http, authority: "[fe80::1%eth0]")
        #expect(try Origin(scheme: .http, authority: "[fe80::1%eth1]") != first)
        #expect(try Origin(scheme: .http, authority: "[fe80::1]") != first)
    }

    // MARK: Texts

    @Test(arguments: [
        (Scheme.http, "example.com", "example.com", "example.com:80", "http://example.com"),
        (.http, "h:443", "h:443", "h:443", "http://h:443"),
        (.https, "h:443", "h", "h:443", "https://h"),
        (.https, "[::1]", "[::1]", "[::1]:443", "https://[::1]"),
        (.https, "[::1]:8443", "[::1]:8443", "[::1]:8443", "https://[::1]:8443"),
    ])
    func anOriginWritesItself(
        scheme: Scheme, text: String, authority: String, hostAndPort: String, description: String
    ) throws {
        let origin = try Origin(scheme: scheme, authority: text)
        #expect(origin.authority == authority)
        #expect(origin.hostAndPort == hostAndPort)
        #expect(origin.description == description)
        #expect(try Origin(scheme: scheme, authority: origin.authority) == origin)
        #expect(try Origin(scheme: scheme, authority: origin.hostAndPort) == origin)
    }

    @Test func aRefusalNeverRepeatsTheText() {
        for text in ["user:hunter2@h", "hunter2 x", "h:hunter2", "[hunter2"] {
            #expect(throws: InvalidRequest.self) { try Origin(scheme: .http, authority: text) }
            do {
                _ = try Origin(scheme: .http, authority: text)
            } catch {
                #expect(!"\(error)".contains("hunter2"))
                #expect(error.description == "\(error.field): \(error.reason)")
            }
        }
    }

    private func refusedField(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? InvalidRequest)?.field
        }
    }
}
