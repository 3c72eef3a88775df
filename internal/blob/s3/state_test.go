package s3

import (
	"bytes"
	"reflect"
	"testing"
)

var states = []*state{
	{},
	{size: 5, tail: tail{id: "abc", size: 5, sum: 7}, old: []string{"x", "y"}},
	{size: 8<<20 + 1, upload: "id", tail: tail{id: "t", size: 1}, parts: []part{
		{size: 8 << 20, etag: "0123456789abcdef0123456789abcdef", sum: "AAAAAA=="},
	}},
	{size: 3, upload: "id", parts: []part{{size: 1, etag: "ABCD"}, {size: 2, etag: "not hex"}}},
}

func TestState(t *testing.T) {
	for _, want := range states {
		saved := want.marshal()
		got, err := unmarshal(saved)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v comes back as %+v, %v", want, got, err)
		}
		for i := range saved {
			damaged := bytes.Clone(saved)
			damaged[i] ^= 1
			if _, err := unmarshal(damaged); err == nil {
				t.Errorf("damage at %d of %+v is not seen", i, want)
			}
			if _, err := unmarshal(saved[:i]); err == nil {
				t.Errorf("a state cut at %d is taken", i)
			}
		}
	}
}

func FuzzState(f *testing.F) {
	for _, s := range states {
		f.Add(s.marshal())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := unmarshal(b)
		if err != nil {
			return
		}
		again, err := unmarshal(s.marshal())
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%+v comes back as %+v, %v", s, again, err)
		}
	})
}
