import ApusCore
import Testing

/// Schemes, their default ports and their spellings.
@Suite struct SchemeTests {
    @Test func eachSchemeHasItsDefaultPort() throws {
        #expect(try Origin(scheme: .http, host: "h").port == 80)
        #expect(try Origin(scheme: .https, host: "h").port == 443)
        #expect(Scheme.http.defaultPort == 80)
        #expect(Scheme.https.defaultPort == 443)
    }

    @Test(arguments: [
        ("http", Scheme.http), ("HTTP", .http), ("https", .https), ("hTTpS", .https), ("ftp", nil),
        ("", nil), ("http ", nil),
    ])
    func aSchemeIsReadInAnyCase(text: String, scheme: Scheme?) {
        #expect(Scheme(text: text) == scheme)
    }
}
