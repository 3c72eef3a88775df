package sqlmeta

import (
	"errors"
	"testing"
)

// TestMovesAreNoted follows the notes of both sides of a move.
func TestMovesAreNoted(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		db := open(t, Options{})
		want := func(when string, direction Direction, peer string) {
			t.Helper()
			if d, p, err := db.Moving(t.Context()); d != direction || p != peer || err != nil {
				t.Errorf("%s: %q %q %v", when, d, p, err)
			}
		}
		want("at first", "", "")
		for range 2 { // the second one goes on
			if err := db.BeginMove(t.Context(), "here"); err != nil {
				t.Fatal(err)
			}
		}
		want("begun", Here, "here")
		if err := db.BeginMove(t.Context(), "there"); !errors.Is(err, ErrOccupied) {
			t.Errorf("two moves at once: %v", err)
		}
		if err := db.EndMove(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("ended", "", "")
		if err := putSmall(db, t, "a", "x"); err != nil {
			t.Fatal(err)
		}
		if err := db.BeginMove(t.Context(), "here"); !errors.Is(err, ErrOccupied) {
			t.Errorf("a move into a registry: %v", err)
		}
		for range 2 {
			if err := db.Freeze(t.Context(), "elsewhere"); err != nil {
				t.Fatal(err)
			}
		}
		want("frozen", Away, "elsewhere")
		if err := putSmall(db, t, "a", "y"); db.Shared() && !errors.Is(err, ErrUnavailable) {
			t.Errorf("a push into what is frozen: %v", err)
		}
		if err := db.Thaw(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("thawed", "", "")
		if err := putSmall(db, t, "a", "z"); err != nil {
			t.Error(err)
		}
	})
}
