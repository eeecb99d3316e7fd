import Apus
import ApusRetry
import ArgumentParser

/// Options of redirects and retries: `-L`, `--retry`.
struct RepeatArguments: ParsableArguments {
    @Flag(name: [.customShort("L"), .long], help: "Follow redirects.")
    var location = false

    @Option(help: ArgumentHelp("The most redirects that -L follows.", valueName: "n"))
    var maxRedirs = 10

    @Option(
        help: ArgumentHelp(
            "Send a request again up to this many times, after failures and answers that a later "
                + "try may change.", valueName: "n"))
    var retry = 0

    @Option(
        help: ArgumentHelp(
            "The wait before each retry; else it is random, up to 1 s and doubled each time.",
            valueName: "seconds"))
    var retryDelay: Seconds?

    @Option(
        help: ArgumentHelp(
            "Begin no retry after this time from the start.", valueName: "seconds"))
    var retryMaxTime: Seconds?

    func validate() throws {
        guard (0...100).contains(maxRedirs) else {
            throw ValidationError("--max-redirs: \(maxRedirs) is not in 0...100")
        }
        guard (0...99).contains(retry) else {
            throw ValidationError("--retry: \(retry) is not in 0...99")
        }
    }

    /// The transport with the layers that the options ask for.
    func layers(over transport: any HTTPTransport) -> any HTTPTransport {
        var result = transport
        if retry > 0 {
            // Of one command each try is wanted, so there is no budget.
            result = Retrying(result, policy: policy, budget: nil)
        }
        if location { result = Redirecting(result, limit: maxRedirs) }
        return result
    }

    private var policy: RetryPolicy {
        var policy = RetryPolicy()
        policy.attempts = retry + 1
        policy.backoff = retryDelay?.duration ?? .seconds(1)
        policy.maxBackoff = retryDelay?.duration ?? .seconds(600)
        policy.hasJitter = retryDelay == nil
        policy.maxRetryAfter = .seconds(600)
        policy.maxTime = retryMaxTime?.duration
        return policy
    }
}

/// Sends each request with the version and the address that its own origin has by the options, so
/// that a redirect gets those of its target.
struct OriginTransport: HTTPTransport {
    let client: ExecutorClient
    let connection: ConnectionArguments

    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        var options = options
        if let scheme = request.scheme.flatMap(Scheme.init(rawValue:)),
            let authority = request.authority,
            let origin = try? Origin(scheme: scheme, authority: authority)
        {
            options.versions = connection.versions(for: scheme)
            options.connectTo = connection.target(for: origin)
        }
        return try await client.send(request, body: body, options: options)
    }
}
