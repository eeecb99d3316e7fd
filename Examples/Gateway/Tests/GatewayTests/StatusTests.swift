import Apus
import Foundation
import Gateway
import GatewayFixtures
import Testing

@Suite struct StatusTests {
    /// A request in flight, a credential that is put aside and a dead proxy are in the report.
    @Test(.timeLimit(.minutes(1))) func theReportShowsWhatHappens() async throws {
        try await withBusyGateway { ground in
            let response = try await ground.get("/status")
            #expect(response.head.headerFields[.contentType] == "application/json")
            let json = try await response.body.collect(upTo: 1 << 20)
            let report = try JSONDecoder().decode(StatusReport.self, from: Data(json.array))
            #expect(report.totals.active == 1)
            #expect(report.totals.complete == 1)
            #expect(report.totals.rotated == 1)
            let credentials = report.upstreams[0].credentials
            #expect(credentials.map(\.name) == ["dead", "refused", "good"])
            #expect(credentials[0].failures == 1)
            #expect(try #require(credentials[1].asideSeconds) > 60)
            #expect(credentials[2].asideSeconds == nil)
            #expect(report.proxies[0].failedInARow == 1)
            #expect(report.engines[0].snapshot.exchanges == 1)
            #expect(report.recent[0].credential == "good")
        }
    }

    @Test(.timeLimit(.minutes(1))) func aBrowserGetsAPage() async throws {
        try await withBusyGateway { ground in
            let response = try await ground.get(
                "/status", fields: [.accept: "text/html,application/xhtml+xml"])
            #expect(response.head.headerFields[.contentType] == "text/html; charset=utf-8")
            let page = String(try await response.body.collect(upTo: 1 << 20))
            #expect(page.hasPrefix("<!doctype html>"))
            #expect(page.contains("aside for"))
            #expect(page.contains("&lt;b&gt;"))
            #expect(!page.contains("<b>name</b>"))
            #expect(!page.contains("secret-of"))
        }
    }

    /// The page is drawn by a real browser, which finds its tables.
    @Test(
        .enabled(if: Browser.path != nil, "Chromium is not installed"), .timeLimit(.minutes(2)))
    func aBrowserDrawsThePage() async throws {
        try await withBusyGateway { ground in
            let browser = try Browser(ground.url + "/status")
            let page = try await browser.page()
            #expect(page.ranges(of: "<tr>").count >= 8)
            #expect(page.contains("healthy"))
            let picture = try await browser.picture()
            #expect(picture.prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
            // A page without its style or its tables is drawn in far fewer bytes.
            #expect(picture.count > 20_000)
        }
    }

    /// Runs a gateway with a stream in flight, after a request that two credentials failed.
    private func withBusyGateway(_ body: (GatewayGround) async throws -> Void) async throws {
        let origin = try await ScriptedOrigin { arrival in
            if arrival.credential == "Bearer secret-of-refused" { return .text(.unauthorized) }
            guard arrival.path == "/endless" else { return .text() }
            return .events(["one", "two"]) { number in
                if number == 1 { try await Latch().wait() }
            }
        }
        let dead = try await SOCKSProxy()
        await dead.stop()
        let configuration = configuration(origin, credentials: ["dead", "refused", "good"]) {
            $0.name = "<b>name</b>"
            $0.credentials[0].proxy = dead.url
        }
        try await withGateway(configuration) { ground in
            _ = try await ground.post("/v1/messages").body.collect(upTo: 100)
            let endless = try await ground.post("/endless")
            _ = try await endless.body.makeAsyncIterator().next()
            #expect(await eventually { ground.gateway.journal.totals.complete == 1 })
            try await body(ground)
            endless.cancel()
        }
        await origin.cut()
    }
}
