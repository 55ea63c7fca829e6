/** Under a list that shows its beginning: as many again. */
import { Button } from '@mantine/core';

export const More = ({ loading, onClick }: { loading: boolean; onClick: () => void }) => (
  <Button mt={6} size="compact-sm" variant="subtle" color="gray" loading={loading} onClick={onClick}>
    More
  </Button>
);
