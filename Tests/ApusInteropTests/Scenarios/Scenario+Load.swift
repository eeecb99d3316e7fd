import Apus
import Foundation
import Testing

// What servers with small limits and short patience are asked: no answer depends on timing.
extension Scenario {
    static let load = [coldBurst, idleRaces, cancels]

    /// A gate answers no request before so many wait at it, so that a burst on one connection
    /// fails.
    ///
    /// A server with little patience ends connections that a slow machine has just made, so a
    /// request has more replays.
    static let coldBurst = Scenario(
        "60 cold requests are spread over connections", tune: { $0.limits.replays = 16 }
    ) { talk in
        let gate = "/gate/\(UUID().uuidString)/30"
        let answers = try await withThrowingTaskGroup(of: (UInt64, String).self) { group in
            for _ in 0..<60 {
                group.addTask {
                    let response = try await talk.get(gate)
                    let text = String(try await response.body.collect(upTo: 100))
                    return (response.info.connectionID, text)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count { $0.1 == "open" } == 60)
        // At most eight requests share a connection at these servers.
        #expect(Set(answers.map(\.0)).count >= 4)
    }

    /// Waves of requests, each when the server's patience with the idle connections ends.
    ///
    /// On a slow machine a request may meet several connections that end, so it has more replays.
    static let idleRaces = Scenario(
        "requests when idle connections end; no POST twice", tune: { $0.limits.replays = 16 }
    ) { talk in
        let record = LoadRecord()
        let patience = talk.peer.server.keepAlive
        for _ in 0..<10 {
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<20 {
                    group.addTask { await talk.load(number, record) }
                }
            }
            let pause = patience + .milliseconds(Int.random(in: -60...60))
            try await Task.sleep(for: pause)
        }
        // What is safe to send again is sent again; the rest may fail, and say that it is in doubt.
        let (gets, posts) = await (record.gets, record.posts)
        #expect(gets.isEmpty, "\(gets)")
        for case .some(let error) in posts.values {
            #expect(error.replay == .unknown, "\(error)")
        }
        await record.expectNothingDoubled(try Tally(of: talk.peer.server.tally))
    }

    static let cancels = Scenario("cancels are seen by the server") { talk in
        let path = try talk.peer.server.tally
        // A server that has done nothing yet has no file.
        let before = (try? Tally(of: path).cancelled) ?? 0
        for number in 0..<10 {
            let reading = Task {
                let response = try await talk.get("/events")
                var iterator = response.body.makeAsyncIterator()
                let first = try await iterator.next()
                #expect(first != nil)
                // By its end, or by a cancel while it waits.
                if number.isMultiple(of: 2) { return }
                withUnsafeCurrentTask { $0?.cancel() }
                while try await iterator.next() != nil {}
            }
            _ = await reading.result
        }
        let end = ContinuousClock.now.advanced(by: .seconds(60))
        while try Tally(of: path).cancelled < before + 10 {
            try #require(ContinuousClock.now < end, "the server goes on with what was cancelled")
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(try Tally(of: path).cancelled == before + 10)
    }
}

extension Conversation {
    /// One request of a load: every second is a POST with a name of its own.
    func load(_ number: Int, _ record: LoadRecord) async {
        let name = number.isMultiple(of: 2) ? nil : UUID().uuidString
        do {
            let response = try await send(
                name == nil ? .get : .post, name.map { "/post/\($0)" } ?? "/hello",
                body: name == nil ? .empty : .bytes(Bytes("hello")))
            let text = String(try await response.body.collect(upTo: 100))
            if response.status != .ok || text != (name == nil ? "hello" : "5") {
                Issue.record("\(response.status): \(text)")
            }
            await record.note(name, nil)
        } catch let error as TransportError {
            await record.note(name, error)
        } catch {
            Issue.record(error)
        }
    }
}
