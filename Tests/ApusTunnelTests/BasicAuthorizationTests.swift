import ApusCore
import ApusTunnel
import Testing

/// Credentials in the Basic scheme, at every length that padding knows.
@Suite struct BasicAuthorizationTests {
    /// The lengths of RFC 4648, section 10; the colon is the first byte where there is no user.
    @Test(arguments: [
        ("", "", "Og=="), ("", "f", "OmY="), ("", "fo", "OmZv"), ("", "foo", "OmZvbw=="),
        ("f", "oobar", "Zjpvb2Jhcg=="), ("fo", "obar", "Zm86b2Jhcg=="),
        ("foo", "bar", "Zm9vOmJhcg=="),
        ("foob", "ar", "Zm9vYjphcg=="), ("foobar", "", "Zm9vYmFyOg=="),
        // RFC 7617, sections 2 and 2.1.
        ("Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("test", "123£", "dGVzdDoxMjPCow=="),
        // Both letters beyond the alphanumeric ones.
        ("~~~", "???", "fn5+Oj8/Pw=="), ("", "a:b:c", "OmE6Yjpj"),
    ])
    func userAndPasswordAreEncoded(user: String, password: String, encoded: String) throws {
        let credentials = try ProxyCredentials(user: user, password: password)
        #expect(credentials.basicAuthorization == "Basic \(encoded)")
    }

    @Test(arguments: 0...255)
    func theTextIsAsLongAsItMustBe(count: Int) throws {
        let credentials = try ProxyCredentials(
            user: String(repeating: "u", count: count), password: "")
        let text = credentials.basicAuthorization.dropFirst("Basic ".utf8.count)
        #expect(text.utf8.count == (count + 1 + 2) / 3 * 4)
        #expect(text.filter { $0 == "=" }.count == [0, 2, 1][(count + 1) % 3])
    }
}
