import Apus
import Foundation
import Testing

/// What a server of the load tests did, by the file that it and its successors write.
struct Tally {
    private let lines: [Substring]

    init(of path: String) throws {
        lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    }

    /// How many clients went while they were sent events.
    var cancelled: Int { lines.count { $0 == "cancelled /events" } }

    /// How often each POST was acted on, by its name.
    var posts: [String: Int] {
        lines.reduce(into: [:]) { posts, line in
            if line.hasPrefix("post ") { posts[String(line.dropFirst(5)), default: 0] += 1 }
        }
    }
}

/// What became of requests that many tasks send: the client's side of a tally.
actor LoadRecord {
    private(set) var answered = 0
    private(set) var gets: [TransportError] = []
    private(set) var posts: [String: TransportError?] = [:]

    func note(_ name: String?, _ error: TransportError?) {
        if error == nil { answered += 1 }
        if let name {
            posts[name] = .some(error)
        } else if let error {
            gets.append(error)
        }
    }

    /// Sees that each POST was acted on once where it was answered, and at most once elsewhere.
    func expectNothingDoubled(_ tally: Tally) {
        let acted = tally.posts
        for (name, error) in posts {
            let count = acted[name, default: 0]
            #expect(count <= 1, "a POST was acted on \(count) times; its error: \(error as Any)")
            if let error {
                // What provably was not sent was not acted on either.
                #expect(error.replay != .notSent || count == 0, "\(error)")
            } else {
                #expect(count == 1, "an answered POST was acted on \(count) times")
            }
        }
    }
}
