import ApusCore
import Testing

/// Default options leave every choice to the client.
@Suite struct RequestOptionsTests {
    @Test func theDefaultsLeaveEveryChoiceToTheClient() {
        let options = RequestOptions()
        #expect(options.totalTimeout == nil)
        #expect(options.headTimeout == nil)
        #expect(options.readIdleTimeout == nil)
        #expect(options.writeIdleTimeout == nil)
        #expect(options.responseTimeout == nil)
        #expect(options.firstByteTimeout == nil)
        #expect(options.stallNotice == nil)
        #expect(options.acquireTimeout == nil)
        #expect(options.connectTimeout == nil)
        #expect(!options.waitsOutBackoff)
        #expect(options.reuse == .pooled)
        #expect(options.versions == nil)
        #expect(options.isolation == nil)
        #expect(options.proxy == .inherit)
        #expect(options.connectTo == nil)
        #expect(!options.isIdempotent)
    }
}
