import ApusCore
import ApusSocket
import Testing

/// Names become addresses or errors, and nobody who cancels has to wait.
@Suite struct SystemResolverTests {
    private let resolver = SystemResolver(.init())

    // MARK: Without a lookup

    @Test(arguments: [
        ("127.0.0.1", ["127.0.0.1:81"]), ("::1", ["[::1]:81"]),
        ("localhost", ["127.0.0.1:81", "[::1]:81"]),
        ("a.localhost", ["127.0.0.1:81", "[::1]:81"]),
        ("b.a.localhost", ["127.0.0.1:81", "[::1]:81"]),
    ])
    func literalsAndLocalhostNeedNoResolver(host: String, addresses: [String]) async throws {
        let found = try await resolver.resolve(host: host, port: 81)
        #expect(found.map(\.description) == addresses)
    }

    // MARK: Lookups

    @Test func aNameThatCannotExistIsNoAddress() async {
        do throws(ResolveError) {
            let addresses = try await resolver.resolve(host: "no-such-host.invalid", port: 80)
            Issue.record("found \(addresses)")
        } catch {
            switch error {
            case .notFound(let message), .temporary(let message): #expect(!message.isEmpty)
            case .overloaded, .cancelled: Issue.record("\(error)")
            }
        }
    }

    @Test func aNameThatOnlyEndsLikeLocalhostIsLookedUp() async {
        let task = Task { try? await resolver.resolve(host: "notlocalhost.invalid", port: 80) }
        #expect(await task.value == nil)
    }

    // MARK: Cancellation

    @Test func aCancelledCallerDoesNotWaitForThoseBeforeIt() async {
        var tuning = EngineTuning.Dial()
        tuning.resolverThreads = 1
        let resolver = SystemResolver(tuning)
        await withTaskGroup(of: Void.self) { group in
            // One thread answers one after the other, so the last caller's turn is far off.
            for index in 0..<200 {
                group.addTask {
                    _ = try? await resolver.resolve(host: "host-\(index).invalid", port: 1)
                }
            }
            // A machine under load may answer before the cancellation, but not every time.
            var isCancelled = false
            for _ in 0..<100 where !isCancelled {
                let last = Task { await failure(of: resolver) }
                last.cancel()
                isCancelled = await last.value == .cancelled
            }
            #expect(isCancelled)
            group.cancelAll()
        }
    }

    @Test func aCallerCancelledBeforehandGetsNoAnswer() async {
        let resolver = resolver
        let error = await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await failure(of: resolver)
        }.value
        #expect(error == .cancelled)
    }

    @Test func manyCancelledCallersAreAllLetGo() async {
        let resolver = resolver
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<100 {
                group.addTask {
                    _ = try? await resolver.resolve(host: "host-\(index).invalid", port: 1)
                }
            }
            group.cancelAll()
        }
    }

    private func failure(of resolver: SystemResolver) async -> ResolveError? {
        do throws(ResolveError) {
            _ = try await resolver.resolve(host: "no-such-host.invalid", port: 1)
            return nil
        } catch {
            return error
        }
    }
}
