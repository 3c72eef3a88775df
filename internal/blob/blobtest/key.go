package blobtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/blob"
)

func testHostileKeys(t *testing.T, s blob.Store) {
	for _, key := range []string{
		"", ".", "..", "../x", "a/b", "/etc/passwd", `a\b`, "a.b", "A", "é", "a b", "a\x00", "a\n", "a:b", "%2e",
		strings.Repeat("a", 65), "aa/../../x",
	} {
		_, err := s.Create(t.Context(), key)
		wantError(t, fmt.Sprintf("create %q", key), err, blob.ErrKey)
		_, err = s.Append(t.Context(), key, 0, nil)
		wantError(t, fmt.Sprintf("append %q", key), err, blob.ErrKey)
		_, err = s.Open(t.Context(), key)
		wantError(t, fmt.Sprintf("open %q", key), err, blob.ErrKey)
		wantError(t, fmt.Sprintf("delete %q", key), s.Delete(t.Context(), key), blob.ErrKey)
	}
}

func testLongestKey(t *testing.T, s blob.Store) {
	key := strings.Repeat("z", 64)
	Put(t, s, key, []byte("content"))
	wantContent(t, s, key, []byte("content"))
}
