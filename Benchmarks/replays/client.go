// The replays over Go's net/http: its default transport, with the authority and the proxies.
//
// Usage: client-go -authority FILE [-ping-after SECONDS] [-connect-timeout SECONDS]
//
// A line of the standard input is a request: NUMBER METHOD URL LENGTH PROXY ("-" for no proxy). It
// is sent at once, and a line of JSON is printed when it has ended.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

type report struct {
	ID      int     `json:"id"`
	Status  int     `json:"status"`
	Version string  `json:"version"`
	HeadMs  float64 `json:"headMs"`
	Ms      float64 `json:"ms"`
	Bytes   int64   `json:"bytes"`
	Error   string  `json:"error"`
}

type proxyKey struct{}

func main() {
	authority := flag.String("authority", "", "a file with the authority of the peers' certificates")
	pingAfter := flag.Int("ping-after", 0, "seconds of silence after which a PING is sent")
	connectTimeout := flag.Int("connect-timeout", 0, "seconds for a request, as CONNECT has no limit")
	flag.Parse()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	roots := x509.NewCertPool()
	file, err := os.ReadFile(*authority)
	if err != nil || !roots.AppendCertsFromPEM(file) {
		fmt.Fprintln(os.Stderr, "no authority in", *authority)
		os.Exit(2)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	transport.Proxy = func(request *http.Request) (*url.URL, error) {
		proxy, _ := request.Context().Value(proxyKey{}).(*url.URL)
		return proxy, nil
	}
	if *pingAfter > 0 {
		transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: time.Duration(*pingAfter) * time.Second}
	}
	client := &http.Client{
		Transport: transport, Timeout: time.Duration(*connectTimeout) * time.Second,
	}
	var lock sync.Mutex
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var number, length int
		var method, target, proxy string
		line := lines.Text()
		if _, err := fmt.Sscan(line, &number, &method, &target, &length, &proxy); err != nil {
			continue
		}
		go func() {
			done, _ := json.Marshal(send(client, number, method, target, length, proxy))
			lock.Lock()
			defer lock.Unlock()
			fmt.Println(string(done))
		}()
	}
}

func send(
	client *http.Client, number int, method, target string, length int, proxy string,
) (done report) {
	start := time.Now()
	since := func() float64 { return float64(time.Since(start).Microseconds()) / 1000 }
	done.ID = number
	defer func() { done.Ms = since() }()
	way, _ := url.Parse(proxy)
	if proxy == "-" {
		way = nil
	}
	var body io.Reader
	if length > 0 {
		body = bytes.NewReader(bytes.Repeat([]byte("x"), length))
	}
	request, err := http.NewRequestWithContext(
		context.WithValue(context.Background(), proxyKey{}, way), method, target, body)
	if err != nil {
		done.Error = err.Error()
		return
	}
	response, err := client.Do(request)
	if err != nil {
		done.Error = err.Error()
		return
	}
	defer response.Body.Close()
	done.HeadMs = since()
	done.Status = response.StatusCode
	done.Version = "1.1"
	if response.ProtoMajor == 2 {
		done.Version = "2"
	}
	if done.Bytes, err = io.Copy(io.Discard, response.Body); err != nil {
		done.Error = err.Error()
	}
	return
}
