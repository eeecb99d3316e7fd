import Apus
import ApusRetry
import Testing

/// Targets made at random: whatever a peer names, the next request is well-formed and safe.
@Suite struct RedirectWalkTests {
    /// Pieces that a target is made of, with those that have a meaning in it.
    private static let pieces = [
        "http:", "https:", "HTTPS:", "ftp:", "javascript:", "//", "/", "///", "\\", "@", ":",
        "a.example",
        "b.example", "A.EXAMPLE", "[::1]", "[", "]", "127.1", "0x7f.1", "xn--a", "..", ".", "...",
        "?", "#", "%", "%2e%2e", "%2F", " ", "\t", "\u{7F}", "\u{E9}", "\u{1F600}", "x", ";p=1",
        "&",
        "user:pw", ":0", ":443", ":8443", ":99999", "0", "\"", "<", "|", "*", "",
    ]

    /// A repeatable sequence of numbers (xorshift).
    private struct Numbers {
        var state: UInt64

        mutating func below(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func whateverAPeerNamesTheNextRequestIsSafe(seed: UInt64) throws {
        var numbers = Numbers(state: seed &* 0x9E37_79B9_7F4A_7C15)
        var followed = 0
        for _ in 0..<5000 {
            let scheme = ["http", "https"][numbers.below(2)]
            let request = try HTTPRequest.get(
                "\(scheme)://a.example/x/y?q", fields: [.authorization: "secret"])
            var machine = try #require(RedirectMachine(request, rules: RedirectRules()))
            var origin = try Origin(
                scheme: try #require(Scheme(rawValue: scheme)), authority: "a.example")
            for _ in 0..<3 {
                let location = (0..<1 + numbers.below(8))
                    .map { _ in Self.pieces[numbers.below(Self.pieces.count)] }.joined()
                let head = HTTPResponse(
                    status: .init(code: [301, 302, 303, 307, 308][numbers.below(5)]),
                    headerFields: [.location: location])
                guard case .follow(let hop) = machine.answered(head, isReplayable: true) else {
                    break
                }
                followed += 1
                let next = try check(hop, location)
                #expect(origin.scheme == .http || next.scheme == .https, "\(location)")
                #expect(hop.isSameOrigin == (next == origin), "\(location)")
                let start = try Origin(scheme: origin.scheme, authority: "a.example")
                if next != start || next != origin {
                    #expect(!hop.request.headerFields.contains(.authorization), "\(location)")
                }
                origin = next
            }
        }
        #expect(followed > 2000)
    }

    /// Returns the origin of the next request, which reads back as it was made.
    private func check(_ hop: RedirectMachine.Hop, _ location: String) throws -> Origin {
        let scheme = try #require(hop.request.scheme)
        let authority = try #require(hop.request.authority)
        let path = try #require(hop.request.path)
        let url = try RequestURL(parsing: "\(scheme)://\(authority)\(path)")
        #expect(url.target == path, "\(location)")
        #expect(url.origin.authorityWithZone == authority, "\(location)")
        #expect(!authority.contains("@") && path.hasPrefix("/") && !path.contains("#"))
        let segments = path.prefix { $0 != "?" }.split(separator: "/")
        #expect(!segments.contains(".") && !segments.contains(".."), "\(location)")
        return url.origin
    }
}
