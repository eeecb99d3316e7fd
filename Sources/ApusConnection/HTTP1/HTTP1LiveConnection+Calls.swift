package import ApusCore
package import ApusSocket
import ApusWire

// What is called from any thread, and by the wire.

extension HTTP1LiveConnection {
    package nonisolated func start(_ exchange: Exchange, isReused: Bool) {
        onLoop(loop) { $0.begin(exchange, isReused: isReused) }
    }

    package nonisolated func cancel(_ exchange: Exchange, reason: CloseReason) {
        onLoop(loop) { $0.give(up: exchange, reason) }
    }

    package nonisolated func becameIdle() {
        onLoop(loop) { $0.refuseFirstWords() }
    }

    package nonisolated func consumed(_ count: Int, by exchange: Exchange) {
        onLoop(loop) { $0.resumeReading(for: exchange) }
    }

    package nonisolated func uploadReady(_ exchange: Exchange) {
        onLoop(loop) { if $0.exchange === exchange { $0.sendBody() } }
    }

    package nonisolated func close(_ reason: CloseReason) {
        onLoop(loop) {
            $0.close(by: reason, .shutdown, "the connection was closed: \(reason)")
        }
    }

    package nonisolated func addressRemoved(_ removed: RemovedAddress) {
        onLoop(loop) { connection in
            guard let loss = connection.wire.loss(by: removed) else { return }
            connection.close(by: .localAddressLost, .reset, loss)
        }
    }

    package nonisolated func wireReadable() { assumeIsolated { $0.readInput() } }
    package nonisolated func wireWritable() { assumeIsolated { $0.sendBody() } }
}
