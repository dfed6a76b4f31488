import { Container, Typography } from '@material-ui/core';
import { RunnerComponents } from './RunnerComponents.js';

/** The page at `/runner`. */
export function RunnerPage() {
  return (
    <Container component="main" maxWidth="xl">
      <Typography variant="h2" component="h1" gutterBottom>
        Runner
      </Typography>
      <RunnerComponents />
    </Container>
  );
}
