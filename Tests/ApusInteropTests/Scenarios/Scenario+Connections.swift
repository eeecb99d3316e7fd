import Apus
import HTTPTypes
import Testing

// How requests share connections.
extension Scenario {
    static let connections = [
        Scenario("100 requests at once") { talk in
            let connections = try await talk.inParallel(100)
            if talk.peer.isHTTP2 {
                #expect(connections.count == 1)
            } else {
                #expect(connections.count <= 100)
            }
        },
        Scenario("1000 requests in a row on one connection") { talk in
            let first = try await talk.expect(talk.files.small)
            #expect(!first.info.isReused)
            for _ in 1..<1000 {
                let next = try await talk.expect(talk.files.small)
                #expect(next.info.isReused)
                #expect(next.info.connectionID == first.info.connectionID)
            }
            #expect(talk.engine.snapshot().connectionsOpened == 1)
        },
        Scenario("a body left unread") { talk in
            // Dropped after its head: HTTP/2 resets the stream, HTTP/1.1 gives the connection up.
            let (id, head) = try await headAlone(of: talk.files.large, talk)
            let next = try await talk.expect(talk.files.small)
            #expect(
                (next.info.connectionID == id) == talk.peer.isHTTP2,
                "\(head.status) \(head.headerFields)")
        },
    ]

    /// Drops the response before it returns.
    private static func headAlone(
        of file: ServedFiles.File, _ talk: Conversation
    ) async throws -> (UInt64, HTTPResponse) {
        let response = try await talk.get(file.path)
        return (response.info.connectionID, response.head)
    }
}

extension Conversation {
    /// Sends so many requests at once and reads all answers; the connections that carried them.
    func inParallel(_ count: Int) async throws -> Set<UInt64> {
        try await withThrowingTaskGroup(of: UInt64.self) { group in
            for _ in 0..<count {
                group.addTask { try await expect(files.small).info.connectionID }
            }
            return try await group.reduce(into: []) { $0.insert($1) }
        }
    }
}
