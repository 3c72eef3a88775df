package blobtest

import (
	"context"
	"slices"
	"testing"

	"github.com/orlop/orlop/internal/blob"
)

func list(t *testing.T, s blob.Store, after string) []blob.Info {
	t.Helper()
	var infos []blob.Info
	for info, err := range s.List(t.Context(), after) {
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	return infos
}

func testList(t *testing.T, s blob.Store) {
	if infos := list(t, s, ""); len(infos) > 0 {
		t.Fatalf("a new store lists %v", infos)
	}
	keys := []string{"-", "0", "00", "000", "01", "0a-1", "0a-2", "0a0", "a", "a-", "a0", "zz-9"}
	for i, key := range keys {
		w, err := s.Create(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, make([]byte, i))
		if i%2 == 0 {
			err = w.Commit()
		} else {
			syncAll(t, w)
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, info := range list(t, s, "") {
		committed := i%2 == 0
		if i >= len(keys) || info.Key != keys[i] || info.Committed != committed || committed && info.Size != int64(i) {
			t.Errorf("listed %d: %+v", i, info)
		}
		if info.Modified.IsZero() {
			t.Errorf("listed %s without its time", info.Key)
		}
	}
	for _, after := range append([]string{"", "/", "0a", "0b-", "~"}, keys...) {
		want := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key <= after })
		var got []string
		for _, info := range list(t, s, after) {
			got = append(got, info.Key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed after %q: %v, want %v", after, got, want)
		}
	}
}

func testListStops(t *testing.T, s blob.Store) {
	Put(t, s, "a", nil)
	Put(t, s, "b", nil)
	for range s.List(t.Context(), "") {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.List(ctx, "") {
		wantError(t, "list", err, context.Canceled)
	}
}
