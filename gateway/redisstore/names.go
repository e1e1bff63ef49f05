package redisstore

import (
	"context"
	"fmt"
	"time"

	"denwa/gateway"
)

var _ gateway.NamesStore = (*Store)(nil)

// namesMemory is how long a record of names is kept from when it was last put.
const namesMemory = 400 * 24 * time.Hour

func namesKey(file string) string { return "dnw1:{names}:k:" + file }

// Names implements [gateway.NamesStore].
func (s *Store) Names(ctx context.Context, files ...string) ([][]byte, error) {
	keys := make([]string, len(files))
	for i, file := range files {
		keys[i] = namesKey(file)
	}
	values, err := s.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, fmt.Errorf("names: %w", err)
	}
	records := make([][]byte, len(files))
	for i, v := range values {
		if text, ok := v.(string); ok {
			records[i] = []byte(text)
		}
	}
	// One that is used stays.
	if records[0] != nil {
		err = s.client.Expire(ctx, keys[0], namesMemory).Err()
	}
	return records, err
}

// PutNames implements [gateway.NamesStore].
func (s *Store) PutNames(ctx context.Context, file string, record []byte) error {
	return s.client.Set(ctx, namesKey(file), record, namesMemory).Err()
}
