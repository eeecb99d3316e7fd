import ApusCore
import ApusPool

// What the pool is asked for, and how it refuses.

extension Reuse {
    init(_ reuse: RequestOptions.Reuse) {
        switch reuse {
        case .pooled, .pooledThenClosed: self = .pooled
        case .fresh: self = .fresh
        case .oneShot: self = .oneShot
        }
    }
}

extension TransportError {
    /// The pool would not even queue the request.
    ///
    /// - Parameters:
    ///   - last: why the route's last dial failed.
    ///   - held: why no dial may begin.
    init(
        _ why: LeaseResult.Refusal, _ route: Route, last: TransportError?,
        held: TransportError? = nil
    ) {
        var error =
            switch why {
            case .dialFailed:
                held ?? last?.repeated
                    ?? TransportError(
                        .timeout, phase: .pool,
                        message: "a dial has just failed, and the next one waits")
            case .tooManyWaiters:
                TransportError(
                    .overloaded, phase: .pool,
                    message: "pool.maxWaitersPerHost requests wait for this route already")
            case .shutDown: TransportError.shuttingDown()
            }
        error.route = route
        self = error
    }

    /// A waiter has failed.
    ///
    /// - Parameter dial: why its dial failed; `nil` when its connection ended without serving it.
    init(_ cause: PoolActions.Failure.Cause, _ dial: TransportError?) {
        self =
            switch cause {
            case .dialFailed: dial ?? .ofNoUse()
            case .shutDown: .shuttingDown()
            }
    }

    /// The connection that was made for a waiter ended before it carried the waiter's exchange.
    static func ofNoUse() -> TransportError {
        TransportError(
            .reset, phase: .connect, message: "the connection was of no use to the request")
    }

    private static func shuttingDown() -> TransportError {
        TransportError(.shutdown, phase: .pool, message: "the engine is shutting down")
    }

    /// A dial's error for a request that came after it.
    private var repeated: TransportError {
        var error = self
        error.message += "; the next dial waits for pool.dialBackoff"
        return error
    }
}

extension CloseReason {
    /// Whether it ends a connection against the will of this side.
    var isCut: Bool { self == .peerClosed || self == .transportError }
}

extension WaitCause {
    /// The option that caps connections over routes and that a request waits for; else `nil`.
    var cap: String? {
        switch self {
        case .connectionsPerEngine: "pool.maxConnections"
        case .connectionsPerOrigin: "pool.maxConnectionsPerOrigin"
        case .connectionsPerProxy: "pool.maxConnectionsPerProxy"
        case .dial, .connectionsPerHost, .dialsPerHost, .backoff, .sharedConnectionsPerHost: nil
        }
    }
}
