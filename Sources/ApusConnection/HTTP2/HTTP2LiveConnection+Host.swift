import ApusCore
package import ApusSocket
import ApusWire

// What the connection hears of the system that it runs on.

extension HTTP2LiveConnection {
    /// Nothing is sent: what leaves from an address that is gone does not arrive.
    package nonisolated func addressRemoved(_ removed: RemovedAddress) {
        onLoop(loop) { connection in
            guard let loss = connection.wire.loss(by: removed) else { return }
            connection.end(.localAddressLost, .reset, loss)
        }
    }

    package nonisolated func systemSlept() {
        onLoop(loop) { if $0.wire.isOpen { $0.askPeer() } }
    }
}
