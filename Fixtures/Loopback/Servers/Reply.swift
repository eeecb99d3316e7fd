/// A route's response, for either version of HTTP.
struct Reply {
    /// What happens to the request's content.
    enum ContentUse {
        /// Read to its end before the answer.
        case discarded
        /// Read to its end; the answer is how many bytes it had.
        case counted
        /// Sent back while it arrives.
        case echoed
        /// Left unread.
        case ignored
    }

    /// What happens after the response was sent.
    enum Ending {
        case keep
        /// No further request: `Connection: close`, or GOAWAY.
        case close
        /// For an early response: end correctly without reading the content.
        case abandonContent
        /// RST on HTTP/1, RST_STREAM with this code on HTTP/2.
        case reset(code: UInt32)
    }

    typealias Field = (name: String, value: String)

    var status = 200
    /// Lowercase names.
    var fields: [Field] = []
    var body: BodySource?
    var trailers: [Field] = []
    /// 103 responses ahead of the answer.
    var informational = 0
    /// Nanoseconds ahead of the answer.
    var delay: Int64 = 0
    var contentUse = ContentUse.discarded
    var ending = Ending.keep
    /// There is no response.
    var isSilent = false
    /// A length to announce, which may be wrong.
    var announcedLength: Int?
    /// On HTTP/1 the content ends with the connection.
    var endsWithConnection = false
    /// Whether TLS ends in order when the connection does.
    var sendsCloseNotify = true
    /// Whether `Expect: 100-continue` is answered.
    var sendsContinue = true

    /// A short text.
    init(_ text: String, status: Int = 200) {
        self.status = status
        fields = [("content-type", "text/plain")]
        body = BodySource(.bytes(Array(text.utf8)))
    }

    init(_ kind: BodySource.Kind, type: String = "application/octet-stream") {
        fields = [("content-type", type)]
        body = BodySource(kind)
    }

    /// No content.
    init(status: Int) {
        self.status = status
    }

    static let informationalFields: [Field] = [("link", "</style.css>; rel=preload; as=style")]

    /// Whether responses with this status may have content.
    static func allowsContent(_ status: Int) -> Bool {
        status >= 200 && status != 204 && status != 304
    }

    static func reason(_ status: Int) -> String {
        switch status {
        case 100: "Continue"
        case 103: "Early Hints"
        case 200: "OK"
        case 201: "Created"
        case 204: "No Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 407: "Proxy Authentication Required"
        case 413: "Content Too Large"
        case 417: "Expectation Failed"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        default: "Status"
        }
    }
}
