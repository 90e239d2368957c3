package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// The models of the upstream: what asks for them is answered at once, or slowly.
const (
	quickModel = "quick"
	slowModel  = "slow"
)

const (
	// chunksPerStream are the events of a stream, of which chunksPerWrite come together.
	chunksPerStream, chunksPerWrite = 2000, 16
	// A slow stream has so many writes of one event, with pauses.
	slowWrites, slowPause = 30, 300 * time.Millisecond
)

const (
	wholeAnswer = `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"quick","choices":[{"index":0,"message":` +
		`{"role":"assistant","content":"Forty-two is the answer to that, as far as anybody knows today."},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":20,"completion_tokens":15,"total_tokens":35}}`
	chunk = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"quick","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}` + "\n\n"
	end   = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"quick","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" +
		`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"quick","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":2000,"total_tokens":2020}}` + "\n\n" +
		"data: [DONE]\n\n"
)

// serveUpstream answers every request on a connection with what is fixed. It is no HTTP server:
// it is to cost as little as possible beside what is measured.
func serveUpstream(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			_ = answerAll(conn) // ends with the connection
			_ = conn.Close()
		}()
	}
}

var (
	whole       = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(wholeAnswer), wholeAnswer)
	streamHead  = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
	oneChunk    = inChunks(chunk)
	someChunks  = inChunks(strings.Repeat(chunk, chunksPerWrite))
	endOfStream = append(inChunks(end), "0\r\n\r\n"...)
)

// inChunks is a text as HTTP has it in a body of unknown length.
func inChunks(text string) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(text), text) }

func answerAll(conn net.Conn) error {
	reader := bufio.NewReader(conn)
	for {
		body, err := readRequest(reader)
		if err != nil {
			return err
		}
		switch streamed := bytes.Contains(body, []byte(`"stream":true`)); {
		case !streamed:
			_, err = conn.Write(whole)
		case bytes.Contains(body, []byte(`"`+slowModel+`"`)):
			err = writeStream(conn, oneChunk, slowWrites, slowPause)
		default:
			err = writeStream(conn, someChunks, chunksPerStream/chunksPerWrite, 0)
		}
		if err != nil {
			return err
		}
	}
}

func writeStream(conn net.Conn, piece []byte, times int, pause time.Duration) error {
	if _, err := conn.Write(streamHead); err != nil {
		return err
	}
	for range times {
		if _, err := conn.Write(piece); err != nil {
			return err
		}
		if pause > 0 {
			time.Sleep(pause)
		}
	}
	_, err := conn.Write(endOfStream)
	return err
}

// readRequest reads a request whose header says how long its body is.
func readRequest(reader *bufio.Reader) (body []byte, err error) {
	length := 0
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && strings.EqualFold(string(name), "Content-Length") {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(reader, body)
	return body, err
}
