import ApusCore
import ApusSocket

/// Loops that several engines share; their threads end when the last of those lets go.
package final class LoopGroup: Sendable {
    let loops: [EventLoop]

    /// Makes the loops and starts their threads.
    ///
    /// - Throws: `InvalidTuning` for a number out of range, `TransportError` when the system has no
    ///   descriptor or thread left.
    package init(threads: Int) throws {
        var tuning = EngineTuning()
        tuning.eventLoops = threads
        try tuning.validate()
        do throws(SystemError) {
            loops = try LoopGroup.makeLoops(threads)
        } catch {
            throw TransportError(
                .resource(errno: error.errno), phase: .request, message: error.description)
        }
    }

    deinit {
        for loop in loops { loop.stopAndDetach() }
    }

    /// Loops with running threads; none are left when one cannot be made.
    static func makeLoops(_ count: Int) throws(SystemError) -> [EventLoop] {
        var loops: [EventLoop] = []
        do throws(SystemError) {
            for index in 0..<count { loops.append(try EventLoop(name: "apus-loop-\(index)")) }
        } catch {
            for loop in loops { loop.stopAndDetach() }
            throw error
        }
        return loops
    }
}
