import ApusCore
import ApusSocket

/// Loops that several engines share; their threads end when the last of those lets go.
package final class LoopGroup: Sendable {
    let loops: [EventLoop]

    /// Makes the loops and starts their threads.
    ///
    /// - Throws: `InvalidTuning` for a number or a time out of range, `TransportError` when the
    ///   system has no descriptor or thread left.
    package init(
        threads: Int, wakeInterval: Duration? = EngineTuning.default.wakeInterval
    ) throws {
        var tuning = EngineTuning()
        tuning.eventLoops = threads
        tuning.wakeInterval = wakeInterval
        try tuning.validate()
        do throws(SystemError) {
            loops = try LoopGroup.makeLoops(tuning)
        } catch {
            throw TransportError(
                .resource(errno: error.errno), phase: .request, message: error.description)
        }
    }

    deinit {
        for loop in loops { loop.stopAndDetach() }
    }

    /// Loops with running threads; none are left when one cannot be made.
    static func makeLoops(_ tuning: EngineTuning) throws(SystemError) -> [EventLoop] {
        var loops: [EventLoop] = []
        do throws(SystemError) {
            for index in 0..<tuning.eventLoops {
                loops.append(
                    try EventLoop(
                        name: "apus-loop-\(index)", wakeInterval: tuning.wakeInterval))
            }
        } catch {
            for loop in loops { loop.stopAndDetach() }
            throw error
        }
        return loops
    }
}
