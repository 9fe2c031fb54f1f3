import { Hono } from "hono";

// Ponder doesn't start without one; nobody asks it here.
export default new Hono();
