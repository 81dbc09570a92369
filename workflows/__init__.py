"""What happens after a sign-in: runs, their steps, the canvas, and recovery. It knows accounts."""
