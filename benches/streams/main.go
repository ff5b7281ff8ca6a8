// Streams of small chunks: the server behind, and the clients in front, of what benches/streams.py measures.
//
//	streams serve ADDRESS
//	streams load URL KEY STREAMS CHUNKS INTERVAL
//
// The server answers POST /api/chat as Ollama streams: a line of JSON for each token, each in a chunk of its own, INTERVAL apart. Each line
// holds the time at which it was written, by the clock that the clients read too. The request says how many (options.num_predict) and how
// often (options.seed, in microseconds). The clients print one line of JSON: what they read, and how late it was.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"
)

type options struct {
	NumPredict int `json:"num_predict"`
	Seed       int `json:"seed"`
}

type chat struct {
	Options options `json:"options"`
}

func serve(address string) error {
	http.HandleFunc("/api/version", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(answer, `{"version":"0.17.4"}`)
	})
	http.HandleFunc("/api/chat", func(answer http.ResponseWriter, request *http.Request) {
		var asked chat
		if err := json.NewDecoder(request.Body).Decode(&asked); err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		answer.Header().Set("Content-Type", "application/x-ndjson")
		flush := answer.(http.Flusher)
		interval := time.Duration(asked.Options.Seed) * time.Microsecond
		next := time.Now()
		for number := 1; number <= asked.Options.NumPredict; number++ {
			done := number == asked.Options.NumPredict
			fmt.Fprintf(answer, `{"model":"tiny:latest","created_at":"2026-11-30T12:00:00Z","message":{"role":"assistant","content":" word"},"t":%d,"done":%t}`+"\n",
				time.Now().UnixNano(), done)
			flush.Flush()
			next = next.Add(interval)
			select {
			case <-time.After(time.Until(next)):
			case <-request.Context().Done():
				return
			}
		}
	})
	return http.ListenAndServe(address, nil)
}

type result struct {
	Streams int     `json:"streams"`
	Chunks  int     `json:"chunks"`
	Failed  int     `json:"failed"`
	Seconds float64 `json:"seconds"`
	// Microseconds from a line's writing to its reading, and from the request to the first line.
	Line  quantiles `json:"line"`
	First quantiles `json:"first"`
}

type quantiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

func of(values []int64) quantiles {
	if len(values) == 0 {
		return quantiles{}
	}
	sort.Slice(values, func(i, j int) bool { return values[i] < values[j] })
	at := func(share float64) float64 { return float64(values[int(share*float64(len(values)-1))]) / 1e3 }
	return quantiles{at(0.5), at(0.99), at(0.999)}
}

// One stream: how late each line was, and how long the first took, in nanoseconds.
func stream(client *http.Client, url, key string, body []byte) (late []int64, first int64, err error) {
	request, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	begun := time.Now()
	answer, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		return nil, 0, fmt.Errorf("%s: %s", answer.Status, text)
	}
	lines := bufio.NewReader(answer.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return late, first, nil
		}
		if err != nil {
			return late, first, err
		}
		now := time.Now()
		at := bytes.Index(line, []byte(`"t":`))
		end := bytes.IndexByte(line[at+4:], ',')
		written, err := strconv.ParseInt(string(line[at+4:at+4+end]), 10, 64)
		if err != nil {
			return late, first, err
		}
		if late == nil {
			first = now.Sub(begun).Nanoseconds()
		}
		late = append(late, now.UnixNano()-written)
	}
}

func load(url, key string, streams, chunks, interval int) error {
	transport := &http.Transport{MaxIdleConnsPerHost: streams, DialContext: (&net.Dialer{Timeout: 30 * time.Second}).DialContext}
	client := &http.Client{Transport: transport}
	body, err := json.Marshal(map[string]any{
		"model": "tiny:latest", "stream": true, "messages": []any{map[string]any{"role": "user", "content": "hi"}},
		"options": map[string]any{"num_predict": chunks, "seed": interval},
	})
	if err != nil {
		return err
	}
	var lock sync.Mutex
	var wait sync.WaitGroup
	done := result{Streams: streams}
	var late, first []int64
	begun := time.Now()
	for number := range streams {
		wait.Add(1)
		go func() {
			defer wait.Done()
			// Not all at once: a listener holds only so many that are not accepted yet.
			time.Sleep(time.Duration(number) * 200 * time.Microsecond)
			own, begin, err := stream(client, url, key, body)
			lock.Lock()
			defer lock.Unlock()
			if err != nil || len(own) != chunks {
				done.Failed++
				if done.Failed == 1 {
					fmt.Fprintln(os.Stderr, "a stream failed:", len(own), err)
				}
			}
			late, first = append(late, own...), append(first, begin)
		}()
	}
	wait.Wait()
	done.Seconds = time.Since(begun).Seconds()
	done.Chunks, done.Line, done.First = len(late), of(late), of(first)
	return json.NewEncoder(os.Stdout).Encode(done)
}

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		err = serve(os.Args[2])
	case len(os.Args) == 7 && os.Args[1] == "load":
		var numbers [3]int
		for at, text := range os.Args[4:] {
			if numbers[at], err = strconv.Atoi(text); err != nil {
				break
			}
		}
		if err == nil {
			err = load(os.Args[2], os.Args[3], numbers[0], numbers[1], numbers[2])
		}
	default:
		err = fmt.Errorf("usage: streams serve ADDRESS | streams load URL KEY STREAMS CHUNKS INTERVAL")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "streams:", err)
		os.Exit(1)
	}
}
