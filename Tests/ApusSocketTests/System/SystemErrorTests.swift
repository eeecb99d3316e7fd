import ApusSocket
import Glibc
import Testing

/// A system error names the call and the system's own words.
@Suite(.timeLimit(.minutes(5))) struct SystemErrorTests {
    @Test func anErrorNamesTheCallInTheSystemsWords() {
        let error = SystemError(errno: ECONNRESET, call: "recv")
        #expect(error.description == "recv: Connection reset by peer")
        let refused = SystemError(errno: ECONNREFUSED, call: "connect")
        #expect(refused.description == "Connection refused")
        #expect(SystemError.text(of: ENOENT) == "No such file or directory")
    }

    @Test func anUnknownNumberStillHasAText() {
        #expect(SystemError.text(of: 99_999).contains("99999"))
    }

    @Test func theThreadsOwnErrorNumberIsTaken() {
        #expect(close(-1) == -1)
        #expect(SystemError(call: "close") == SystemError(errno: EBADF, call: "close"))
    }
}
