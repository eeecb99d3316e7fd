import Apus
import ApusRetry

/// The code of the article in `Sources/ApusRetry/ApusRetry.docc`, word for word, so that it
/// compiles.
///
/// `GuideTests` in ApusTidyTests compares. Nothing here is called: the hosts are examples.
private enum GuideExamples {
    static func overview(_ engine: TransportEngine) async throws {
        let retrying = Retrying(engine)
        let client = ExecutorClient(Redirecting(retrying), timeout: .seconds(30))
        let response = try await client.send(.get("https://api.example.com/v1/models"))
        for attempt in response.info.tries { print(attempt) }
    }

    static func retries(_ engine: TransportEngine) -> Retrying {
        var policy = RetryPolicy()
        policy.attempts = 4
        policy.maxRetryAfter = .seconds(20)
        let budget = RetryBudget(ratio: 0.1, perSecond: 5, burst: 50)
        let retrying = Retrying(engine, policy: policy, budget: budget)
        return retrying
    }

    static func rotations(_ engine: TransportEngine, _ keys: [String]) throws -> Redirecting {
        let origin = try Origin(scheme: .https, host: "api.example.com")
        let choices = keys.enumerated().map { number, key in
            Choice.credential("key-\(number)", [.authorization: "Bearer \(key)"], for: origin)
        }
        let rotating = try Rotating(over: choices, engine)
        let stack = Redirecting(Retrying(rotating))
        for state in rotating.state() { print(state.name, state.asideFor ?? .zero) }
        return stack
    }

    static func redirects(
        _ engine: TransportEngine, _ request: HTTPRequest, _ privateKeyField: HTTPField.Name
    ) async throws {
        var rules = RedirectRules()
        rules.limit = 5
        rules.credentialFields.insert(privateKeyField)
        let redirecting = Redirecting(engine, rules: rules)
        do {
            let response = try await redirecting.send(request)
            print(response.info.url ?? "no redirect")
        } catch {
            if case .redirect(let fault) = error.kind { print(fault, error.tries) }
            throw error
        }
    }
}
