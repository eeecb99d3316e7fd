package import Apus
package import NIOCore
import Synchronization

/// The connections of the gateway's clients: what a client waits for is cancelled when it has gone.
///
/// Hummingbird keeps a connection whose client has ended its side, and a response that pauses would
/// not notice it. A channel handler does: a client that ends its side is taken to have gone.
package final class ClientConnections: Sendable {
    package typealias Action = @Sendable () -> Void

    /// What to do when the client of an open connection goes.
    private let actions = Mutex<[ObjectIdentifier: Action]>([:])

    package init() {}

    /// Handlers for the pipeline of each connection.
    package func makeHandlers() -> [any RemovableChannelHandler] {
        [ClientHandler(self)]
    }

    /// Sets what to do when the client goes, in place of what was set before; does it at once when
    /// the client has gone.
    package func whenGone(_ client: any Channel, _ action: @escaping Action) {
        let isOpen = actions.withLock { actions in
            let id = ObjectIdentifier(client)
            guard actions[id] != nil else { return false }
            actions[id] = action
            return true
        }
        if !isOpen { action() }
    }

    /// Runs an operation in a task, which is cancelled when the client goes.
    package func cancelling<Value: Sendable>(
        _ client: any Channel,
        _ operation: @escaping @Sendable () async throws(TransportError) -> Value
    ) async throws(TransportError) -> Value {
        let task = Task { () -> Result<Value, TransportError> in
            do throws(TransportError) {
                return .success(try await operation())
            } catch {
                return .failure(error)
            }
        }
        whenGone(client) { task.cancel() }
        let result = await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        return try result.get()
    }

    fileprivate func opened(_ client: any Channel) {
        actions.withLock { $0[ObjectIdentifier(client)] = {} }
    }

    fileprivate func gone(_ client: any Channel) {
        actions.withLock { $0.removeValue(forKey: ObjectIdentifier(client)) }?()
    }
}

/// Reports the end of a client's side, or of its connection.
private final class ClientHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    private let clients: ClientConnections

    init(_ clients: ClientConnections) {
        self.clients = clients
    }

    func handlerAdded(context: ChannelHandlerContext) {
        clients.opened(context.channel)
    }

    func channelInactive(context: ChannelHandlerContext) {
        clients.gone(context.channel)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { clients.gone(context.channel) }
        context.fireUserInboundEventTriggered(event)
    }
}
