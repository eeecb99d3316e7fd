import Apus

// The numbers of the interop tests.

extension EngineTuning {
    /// An executor's, with budgets that a busy machine keeps and idle connections that stay.
    static let patient: EngineTuning = {
        var tuning = EngineTuning.executor
        tuning.pool.acquireTimeout = .seconds(300)
        tuning.pool.hedgeDelay = nil
        tuning.pool.idleTimeout = nil
        tuning.dial.resolveTimeout = .seconds(300)
        tuning.dial.tcpTimeout = .seconds(300)
        tuning.dial.tlsTimeout = .seconds(300)
        tuning.dial.proxyTimeout = .seconds(300)
        tuning.dial.connectTimeout = .seconds(300)
        tuning.dial.userTimeout = nil
        return tuning
    }()
}
