// Package blobtest is the suite that every blob.Store passes.
package blobtest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/orlop/orlop/internal/blob"
)

// Run runs the suite. Every test opens a store of its own, which is empty and
// which open sees to closing.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, blob.Store)
	}{
		{"Content", testContent},
		{"Uncommitted", testUncommitted},
		{"Append", testAppend},
		{"AppendCuts", testAppendCuts},
		{"Fork", testFork},
		{"CreateTwice", testCreateTwice},
		{"CommitTwice", testCommitTwice},
		{"Closed", testClosed},
		{"Delete", testDelete},
		{"DeleteUnderWriter", testDeleteUnderWriter},
		{"DeleteUnderReader", testDeleteUnderReader},
		{"List", testList},
		{"ListStops", testListStops},
		{"HostileKeys", testHostileKeys},
		{"LongestKey", testLongestKey},
		{"Canceled", testCanceled},
		{"ManyAtOnce", testManyAtOnce},
		{"ReadAtOnce", testReadAtOnce},
		{"Pieces", testPieces},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Content is n bytes that look random and are the same for the same seed.
func Content(seed uint64, n int) []byte {
	var key [16]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the length of the key is right
	}
	content := make([]byte, n)
	// Much faster than a generator of random numbers, with the race detector above all.
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(content, content)
	return content
}

// Put writes and commits an object.
func Put(t *testing.T, s blob.Store, key string, content []byte) {
	t.Helper()
	w, err := s.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, content)
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// Get reads a committed object.
func Get(t *testing.T, s blob.Store, key string) []byte {
	t.Helper()
	obj, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	content, err := io.ReadAll(io.NewSectionReader(obj, 0, obj.Size()+1))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(content)) != obj.Size() {
		t.Fatalf("object %s has %d bytes, its size is %d", key, len(content), obj.Size())
	}
	return content
}

func write(t *testing.T, w blob.Writer, content []byte) {
	t.Helper()
	if n, err := w.Write(content); err != nil || n != len(content) {
		t.Fatalf("write %d bytes: %d, %v", len(content), n, err)
	}
}

func syncAll(t *testing.T, w blob.Writer) (state []byte) {
	t.Helper()
	state, err := w.Sync()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func wantAbsent(t *testing.T, s blob.Store, key string) {
	t.Helper()
	obj, err := s.Open(t.Context(), key)
	wantError(t, "open "+key, err, blob.ErrNotFound)
	if err == nil {
		obj.Close()
	}
}

func wantContent(t *testing.T, s blob.Store, key string, want []byte) {
	t.Helper()
	if got := Get(t, s, key); !bytes.Equal(got, want) {
		t.Errorf("object %s: %d bytes, want other %d", key, len(got), len(want))
	}
}
