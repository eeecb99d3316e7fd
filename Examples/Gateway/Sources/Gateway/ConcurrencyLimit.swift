package import Apus
import Synchronization

/// A transport that takes a bounded number of requests at a time, each until its body has ended.
///
/// A request beyond the bound fails at once with an error of kind `overloaded`, so that a rotation
/// goes on to another choice.
package struct ConcurrencyLimit: HTTPTransport {
    private let transport: any HTTPTransport
    private let slots: Slots

    package init(_ limit: Int, over transport: any HTTPTransport) {
        self.transport = transport
        slots = Slots(limit)
    }

    package func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        guard let slot = slots.take() else {
            throw TransportError(
                .overloaded, phase: .pool, message: "\(slots.limit) requests are in flight")
        }
        let response = try await transport.send(request, body: body, options: options)
        let holding = ResponseBody(transforming: response.body, by: Holding(slot: slot))
        return response.replacing(body: holding)
    }

    /// Passes a body on, and keeps its slot until the body is released.
    private struct Holding: BodyTransform {
        let slot: Slot
        var piece: Bytes?

        mutating func bytesReceived(_ piece: Bytes) { self.piece = piece }
        mutating func nextOutput() -> Bytes? { piece.take() }
        mutating func bodyEnded() {}
    }

    private final class Slots: Sendable {
        let limit: Int
        private let taken = Mutex(0)

        init(_ limit: Int) {
            self.limit = limit
        }

        /// A slot; `nil` when none is free.
        func take() -> Slot? {
            let isFree = taken.withLock { taken in
                guard taken < limit else { return false }
                taken += 1
                return true
            }
            return isFree ? Slot(of: self) : nil
        }

        func giveBack() {
            taken.withLock { $0 -= 1 }
        }
    }

    /// One request's place, which is free again when the last reference to it is released.
    private final class Slot: Sendable {
        private let slots: Slots

        init(of slots: Slots) {
            self.slots = slots
        }

        deinit {
            slots.giveBack()
        }
    }
}
