package azblob

import (
	"reflect"
	"testing"
)

func TestState(t *testing.T) {
	for _, l := range []blockList{
		{},
		{{writer: writerID{1}, blocks: 1, bytes: 5}},
		{{writer: writerID{1}, blocks: 300, bytes: 1 << 40}, {writer: writerID{2}}, {writer: writerID{255}, blocks: 49_700, bytes: 1}},
	} {
		got, err := parseState(l.state())
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("state of %v: %v, %v", l, got, err)
		}
	}
}

func TestIDs(t *testing.T) {
	l := blockList{{writer: writerID{1}, blocks: 2}, {writer: writerID{2}, blocks: 1}}
	seen := map[string]bool{}
	for _, id := range l.ids() {
		if len(id) != len(blockID(writerID{}, maxBlocks)) {
			t.Errorf("id %q is of another length", id)
		}
		seen[id] = true
	}
	if len(seen) != l.count() {
		t.Errorf("%d ids of %d blocks", len(seen), l.count())
	}
}

func FuzzParseState(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{stateVersion})
	f.Add([]byte{9, 9})
	f.Add(blockList{{writer: writerID{1}, blocks: 3, bytes: 1 << 40}, {writer: writerID{2}, blocks: 1}}.state())
	f.Add(blockList{{blocks: maxBlocks + 1}}.state())
	f.Add(blockList{{bytes: 1<<63 - 1}, {bytes: 1}}.state())
	f.Fuzz(func(t *testing.T, state []byte) {
		l, err := parseState(state)
		if err != nil {
			return
		}
		if l.size() < 0 || l.count() > maxBlocks || len(l.ids()) != l.count() {
			t.Errorf("state %x gives %d bytes in %d blocks", state, l.size(), l.count())
		}
		again, err := parseState(l.state())
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Errorf("state %x gives %v, and that gives %v, %v", state, l, again, err)
		}
	})
}
