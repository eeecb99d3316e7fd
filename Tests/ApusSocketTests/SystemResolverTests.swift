import ApusCore
import ApusSocket
import Testing

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

    @Test func aCancelledCallerGoesAtOnce() async {
        let start = Deadline.now()
        let task = Task { () -> ResolveError? in
            do throws(ResolveError) {
                _ = try await resolver.resolve(
                    host: "slow-\(UInt64.random(in: 0...999)).invalid", port: 1)
                return nil
            } catch {
                return error
            }
        }
        task.cancel()
        let error = await task.value
        // A fast resolver may have answered before the cancellation came.
        if error != .cancelled {
            switch error {
            case .notFound, .temporary: break
            default: Issue.record("\(String(describing: error))")
            }
        }
        #expect(Deadline.now().since(start) < .seconds(2))
    }

    @Test func aCallerCancelledBeforehandGetsNoAnswer() async {
        let resolver = resolver
        let error = await Task { () -> ResolveError? in
            withUnsafeCurrentTask { $0?.cancel() }
            do throws(ResolveError) {
                _ = try await resolver.resolve(host: "no-such-host.invalid", port: 1)
                return nil
            } catch {
                return error
            }
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
}
