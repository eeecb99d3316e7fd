import ApusCore
import CApusNghttp2

// Small bodies go before large ones while bodies wait for the connection's window.
//
// nghttp2 gives each stream its turn, so a small body waits until each large one that came before
// it has sent a frame: with 25 of them and a window of 64 KiB that is seven round trips. Instead
// the large ones give way until the small ones that were there have left. Then one of the large
// ones sends a frame before they give way again.

/// The small bodies that wait, and the bodies that give way to them.
struct SmallBodies {
    /// The longest one, which fits a frame of any peer (RFC 9113, section 4.2).
    static let maxCount = 16_384

    var waiting: [HTTP2StreamID] = []
    var givingWay: [HTTP2StreamID] = []
    /// Whether one of those that gave way is to send a frame first.
    var isOtherDue = false
}

extension HTTP2Session {
    /// A body has ended: a small one goes first, if bodies wait for the window.
    func noteSmallBody(of stream: HTTP2Stream) {
        let count = stream.outgoing.count
        guard count > 0, count <= SmallBodies.maxCount, stream.outgoing.isFinished,
            nghttp2_session_get_remote_window_size(session) < SmallBodies.maxCount,
            smallBodies.givingWay.isEmpty
        else { return }
        smallBodies.waiting.append(stream.id)
    }

    /// Whether a body that may send gives way to a small one.
    func givesWay(_ stream: HTTP2Stream) -> Bool {
        guard !smallBodies.waiting.isEmpty, !smallBodies.isOtherDue else { return false }
        smallBodies.waiting.removeAll { !mayLeave($0) }
        guard !smallBodies.waiting.isEmpty, !smallBodies.waiting.contains(stream.id) else {
            return false
        }
        if !smallBodies.givingWay.contains(stream.id) { smallBodies.givingWay.append(stream.id) }
        return true
    }

    /// Lets the bodies that gave way go on, if no small one waits any more.
    ///
    /// - Returns: whether any goes on.
    @discardableResult
    func endGivingWay() -> Bool {
        guard !smallBodies.givingWay.isEmpty else { return false }
        smallBodies.waiting.removeAll { !mayLeave($0) }
        guard smallBodies.waiting.isEmpty else { return false }
        let streams = smallBodies.givingWay
        smallBodies.givingWay = []
        smallBodies.isOtherDue = true
        for id in streams { stream(id).map(wake) }
        return true
    }

    /// Whether nothing but the connection's window holds a small body back.
    private func mayLeave(_ id: HTTP2StreamID) -> Bool {
        guard let stream = stream(id), stream.isSent, !stream.outgoing.isDiscarded else {
            return false
        }
        let count = stream.outgoing.count
        return count > 0
            && nghttp2_session_get_stream_remote_window_size(session, id) >= Int32(count)
    }
}
