/// One request of an HTTP/2 connection and its answer.
final class HTTP2Stream {
    let id: Int32
    var method = ""
    var path: [UInt8] = []
    var expectsContinue = false
    /// Each field as `name: value\n`, in the order of arrival.
    var head: [UInt8] = []
    /// Content bytes of the request.
    var received = 0
    var isRequestComplete = false
    /// The response, known as soon as the request's head is.
    var reply: Reply?
    var hasResponded = false
    var body: BodySource?
    /// An echo has nothing to send.
    var isStarved = false

    init(id: Int32) {
        self.id = id
    }
}
