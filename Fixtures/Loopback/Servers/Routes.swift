/// The routes of the origin, on HTTP/1.1 and HTTP/2; README.md describes them in detail.
///
/// | route | answer |
/// |---|---|
/// | `/` | `hello\n` |
/// | `/bytes/N` | N bytes of `BodyPattern`, with their length |
/// | `/chunked/N?chunk=S` | the same without a length, in chunks or frames of S bytes |
/// | `/eof/N?notify=0` | the same, ended by the connection; 0: without close_notify |
/// | `/trailers?n=N` | N bytes, then the announced trailers `x-checksum` and `x-count` |
/// | `/fields/N?size=S&turns=T` | N fields `x-0` and so on, of S bytes, T values by turns |
/// | `/status/CODE` | that status, with `CODE\n` where content is allowed |
/// | `/echo` | the request's content, sent back while it arrives |
/// | `/sink` | reads the content and answers its length: `N\n` |
/// | `/continue?silent=1&status=S` | `/sink` after 100; without the 100; or S at once, unread |
/// | `/delay/MS` | `hello\n` after so many milliseconds |
/// | `/sse?n=N&size=S&pace_us=P&burst=B` | N events of S digits, B together every P us |
/// | `/headers` | the request's head as received |
/// | `/informational?n=N` | N times 103, then `hello\n` |
/// | `/early/CODE?then=close` | answers before the content; then `close`, `keep` or `reset` |
/// | `/close` | `hello\n`, then the end of the connection, or GOAWAY |
/// | `/hang` | never answers, reads nothing more |
/// | `/head-then-hang?bytes=N` | a head and N bytes, then nothing |
/// | `/truncate/N?notify=0` | announces N bytes, ends after half of them |
/// | `/reset/CODE?after=N` | N bytes, then RST, or RST_STREAM with that code |
/// | `/endless` | the pattern for as long as the peer reads |
/// | `/tls` | what the handshake agreed on, a `name=value` per line |
/// | `/connection` | `id=3 request=17` |
enum Routes {
    /// The connection's facts that a route may report.
    struct Context {
        var connection: Int
        var request: Int
        /// Returns the request's head as text.
        var receivedHead: () -> [UInt8]
        var tls: TLSLayer?
    }

    static func reply(to target: RouteTarget, _ context: Context) -> Reply {
        switch target.name {
        case "": return Reply("hello\n")
        case "bytes", "chunked", "eof", "trailers", "fields", "truncate", "endless",
            "head-then-hang":
            return patterned(target, context)
        case "sse": return Reply(.events(events(target)), type: "text/event-stream")
        case "status": return status(target.number ?? 200)
        case "echo", "sink", "continue", "early": return reading(target)
        case "delay":
            var reply = Reply("hello\n")
            reply.delay = Int64(min(target.number ?? 0, 3_600_000)) * 1_000_000
            return reply
        case "informational":
            var reply = Reply("hello\n")
            reply.informational = min(max(target.integer("n") ?? 1, 0), 10_000)
            return reply
        case "close":
            var reply = Reply("hello\n")
            reply.ending = .close
            return reply
        case "hang", "reset": return breaking(target)
        case "headers":
            return Reply(.bytes(context.receivedHead()), type: "text/plain")
        case "tls": return Reply(describe(context.tls))
        case "connection":
            return Reply("id=\(context.connection) request=\(context.request)\n")
        default: return Reply("no such route\n", status: 404)
        }
    }

    private static func patterned(_ target: RouteTarget, _ context: Context) -> Reply {
        let count = target.number ?? 0
        switch target.name {
        case "chunked":
            var reply = Reply(
                .pattern(count: count, piece: max(1, target.integer("chunk") ?? 4096)))
            reply.body?.hidesLength = true
            return reply
        case "eof":
            var reply = Reply(.pattern(count: count, piece: .max))
            reply.body?.hidesLength = true
            reply.endsWithConnection = true
            reply.ending = .close
            reply.sendsCloseNotify = target.integer("notify") != 0
            return reply
        case "trailers":
            let count = max(0, target.integer("n") ?? 1000)
            var reply = Reply(.pattern(count: count, piece: 4096))
            reply.body?.hidesLength = true
            reply.fields.append(("trailer", "x-checksum, x-count"))
            var sum: UInt32 = 0
            for index in 0..<count { sum &+= UInt32(BodyPattern.byte(at: index)) }
            reply.trailers = [("x-checksum", String(sum)), ("x-count", String(count))]
            return reply
        case "fields":
            var reply = Reply("hello\n")
            let turn = context.request % min(max(target.integer("turns") ?? 1, 1), 26)
            let value = String(
                repeating: Character(UnicodeScalar(UInt8(ascii: "a") + UInt8(turn))),
                count: min(max(target.integer("size") ?? 16, 0), 1 << 20))
            for index in 0..<min(count, 100_000) { reply.fields.append(("x-\(index)", value)) }
            return reply
        case "truncate":
            var reply = Reply(.breaking(count: count / 2))
            reply.announcedLength = count
            reply.ending = .close
            reply.sendsCloseNotify = target.integer("notify") != 0
            return reply
        case "endless": return Reply(.endless)
        case "head-then-hang": return Reply(.stalling(count: target.integer("bytes") ?? 1000))
        default: return Reply(.pattern(count: count, piece: .max))
        }
    }

    private static func events(_ target: RouteTarget) -> EventStream {
        EventStream(
            count: max(0, target.integer("n") ?? 10),
            size: min(max(1, target.integer("size") ?? 16), 1 << 20),
            pace: Int64(min(max(0, target.integer("pace_us") ?? 0), 3_600_000_000)) * 1000,
            burst: min(max(1, target.integer("burst") ?? 1), 1 << 16))
    }

    private static func status(_ code: Int) -> Reply {
        guard (200...999).contains(code) else { return Reply("not a final status\n", status: 400) }
        return Reply.allowsContent(code) ? Reply("\(code)\n", status: code) : Reply(status: code)
    }

    private static func reading(_ target: RouteTarget) -> Reply {
        switch target.name {
        case "echo":
            var reply = Reply(.echo)
            reply.contentUse = .echoed
            return reply
        case "early":
            var reply = status(target.number ?? 413)
            reply.contentUse = .ignored
            switch target.text("then") {
            case "keep": reply.ending = .keep
            case "reset": reply.ending = .reset(code: 2)
            default: reply.ending = .abandonContent
            }
            return reply
        case "continue" where target.integer("status") != nil:
            var reply = status(target.integer("status") ?? 417)
            reply.contentUse = .ignored
            reply.ending = .abandonContent
            return reply
        default:
            var reply = Reply(status: 200)
            reply.contentUse = .counted
            reply.sendsContinue = target.integer("silent") != 1
            return reply
        }
    }

    private static func breaking(_ target: RouteTarget) -> Reply {
        guard target.name == "reset" else {
            var reply = Reply(status: 200)
            reply.contentUse = .ignored
            reply.isSilent = true
            return reply
        }
        let code = UInt32(clamping: target.number ?? 2)
        guard let count = target.integer("after"), count > 0 else {
            var reply = Reply(status: 200)
            reply.ending = .reset(code: code)
            reply.isSilent = true
            return reply
        }
        var reply = Reply(.breaking(count: count))
        reply.ending = .reset(code: code)
        return reply
    }

    private static func describe(_ tls: TLSLayer?) -> String {
        guard let tls else { return "version=none\n" }
        return """
            version=\(tls.version)
            alpn=\(tls.applicationProtocol ?? "none")
            resumed=\(tls.isResumed ? "yes" : "no")
            client=\(tls.clientSubject ?? "none")
            sni=\(tls.serverName ?? "none")
            cipher=\(tls.cipher ?? "none")

            """
    }
}
