import Apus
import Testing

// What TLS agrees on with servers by others.
extension Scenario {
    /// What every server that speaks TLS is held against.
    static let security = [
        negotiation,
        Scenario("TLS 1.2", tune: { $0.tls.maximumVersion = .tls12 }) { talk in
            let response = try await talk.expect(talk.files.medium)
            #expect(response.info.connection.tls?.version == "TLSv1.2")
        },
        resumption("resumption"),
        resumption("resumption in TLS 1.2", tune: { $0.tls.maximumVersion = .tls12 }),
        Scenario("no resumption where it is off", tune: { $0.tls.resumption = false }) { talk in
            for _ in 0..<2 {
                let response = try await talk.expect(talk.files.small, options: .fresh)
                #expect(response.info.connection.tls?.isResumed == false)
            }
        },
    ]

    /// TLS 1.3, and the protocol by its name.
    static let negotiation = Scenario("TLS 1.3 and ALPN") { talk in
        let response = try await talk.expect(talk.files.small)
        let facts = response.info.connection
        let name = talk.peer.isHTTP2 ? "h2" : "http/1.1"
        #expect(facts.protocolName == name)
        #expect(facts.tls?.version == "TLSv1.3")
        #expect(facts.tls?.alpn == name)
        #expect(facts.tls?.isResumed == false)
    }

    private static func resumption(
        _ name: String, tune: (inout EngineTuning) -> Void = { _ in }
    ) -> Scenario {
        Scenario(name, tune: tune) { talk in
            let first = try await talk.expect(talk.files.small, options: .fresh)
            #expect(first.info.connection.tls?.isResumed == false)
            let second = try await talk.expect(talk.files.small, options: .fresh)
            #expect(second.info.connectionID != first.info.connectionID)
            #expect(second.info.connection.tls?.isResumed == true)
            #expect(second.info.connection.tls?.alpn == first.info.connection.tls?.alpn)
        }
    }
}

extension RequestOptions {
    /// A new connection.
    fileprivate static var fresh: RequestOptions {
        var options = RequestOptions()
        options.reuse = .fresh
        return options
    }
}
