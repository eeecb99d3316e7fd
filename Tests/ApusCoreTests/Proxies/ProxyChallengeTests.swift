import ApusCore
import HTTPTypes
import Testing

/// Which challenges of a 407 ask for the Basic scheme (RFC 9110, section 11.3).
@Suite struct ProxyChallengeTests {
    @Test(arguments: [
        (["Basic realm=\"a\""], true), (["basic"], true), (["BASIC realm=a"], true),
        (["Negotiate, Basic realm=\"a\""], true), (["Negotiate", "Basic realm=\"a\""], true),
        (["Digest realm=\"a\", nonce=\"b\", Basic realm=\"c\""], true), ([], false), ([""], false),
        (["Digest realm=\"Basic\""], false), (["Digest realm=\"a, Basic\""], false),
        (["Digest realm=\"a\\\", Basic\""], false), (["Basically realm=\"a\""], false),
        (["Digest basic=a"], false),
    ])
    func basicIsFoundAmongTheSchemes(values: [String], takesBasic: Bool) {
        var fields = HTTPFields()
        for value in values { fields.append(HTTPField(name: .proxyAuthenticate, value: value)) }
        #expect(ProxyChallenge(proxy: "http://a:1", fields: fields).takesBasic == takesBasic)
    }
}
