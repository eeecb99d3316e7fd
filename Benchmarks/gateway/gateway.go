// The gateway over Go's net/http and httputil.ReverseProxy.
//
// Usage: gateway-go -upstream URL [-credentials N] [-authority FILE] [-proxy-ports PORT,PORT...]
//
// It listens on a free port of 127.0.0.1, prints the port, and serves until it is ended.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const maxTries = 5

// What a request is sent with; proxy is nil for a direct connection.
type credential struct {
	authorization string
	proxy         *url.URL
}

type proxyKey struct{}

// rotation sends each request with the next credential, and with another one if it never left.
type rotation struct {
	transport   *http.Transport
	credentials []credential
	next        atomic.Uint64
}

func (r *rotation) RoundTrip(request *http.Request) (*http.Response, error) {
	body := request.Body
	var err error
	for range maxTries {
		credential := r.credentials[(r.next.Add(1)-1)%uint64(len(r.credentials))]
		try := request.WithContext(
			context.WithValue(request.Context(), proxyKey{}, credential.proxy))
		try.Header.Set("Authorization", credential.authorization)
		if body != nil {
			// A failed dial closes the body, which the next try still has to send.
			try.Body = io.NopCloser(body)
		}
		var response *http.Response
		response, err = r.transport.RoundTrip(try)
		var failure *net.OpError
		if err == nil || !errors.As(err, &failure) || (failure.Op != "dial" && failure.Op != "proxyconnect") {
			return response, err
		}
	}
	return nil, err
}

// buffers are the copying buffers of response bodies.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte       { return *b.pool.Get().(*[]byte) }
func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any {
		buffer := make([]byte, 32*1024)
		return &buffer
	}}}
}

func makeCredentials(count int, proxyPorts string) []credential {
	ports := strings.Split(proxyPorts, ",")
	all := make([]credential, count)
	for number := range all {
		all[number].authorization = fmt.Sprintf("Bearer key-%d", number)
		if proxyPorts != "" {
			all[number].proxy = &url.URL{
				Scheme: "http",
				User:   url.UserPassword(fmt.Sprintf("user-%d", number), "secret"),
				Host:   "127.0.0.1:" + ports[number%len(ports)],
			}
		}
	}
	return all
}

func makeTransport(authority string) *http.Transport {
	transport := &http.Transport{
		Proxy: func(request *http.Request) (*url.URL, error) {
			proxy, _ := request.Context().Value(proxyKey{}).(*url.URL)
			return proxy, nil
		},
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConns:        200,
		MaxIdleConnsPerHost: 20,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		ForceAttemptHTTP2:   true,
	}
	if authority != "" {
		pem, err := os.ReadFile(authority)
		if err != nil {
			log.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return transport
}

func main() {
	upstream := flag.String("upstream", "", "the origin's URL")
	count := flag.Int("credentials", 20, "the number of credentials")
	authority := flag.String("authority", "", "a file with the authority of the origin")
	proxyPorts := flag.String("proxy-ports", "", "ports of CONNECT proxies, separated by commas")
	flag.Parse()
	target, err := url.Parse(*upstream)
	if err != nil {
		log.Fatal(err)
	}
	gateway := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) { request.SetURL(target) },
		Transport: &rotation{
			transport:   makeTransport(*authority),
			credentials: makeCredentials(*count, *proxyPorts),
		},
		FlushInterval: -1,
		BufferPool:    newBuffers(),
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, gateway))
}
